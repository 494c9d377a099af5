"""The specification of a trial, its key, and what belongs to it on the disk.

A trial is a folder named by the hash of all that decides its result: the specification, the data,
the code that runs it and the versions of the libraries. The same trial is never trained twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import RegardError, unwritable
from ..tasks import Task
from ..training import Budget
from ..training.checkpoint import write_whole
from .arms import Arm
from .sources import code_fingerprint, library_versions

SPEC, RESULT, METRICS = "spec.json", "result.json", "metrics.jsonl"
TIMING, MAPS, FAILURE = "timing.json", "maps.safetensors", "failure.txt"


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """Everything that decides the result of one training.

    Args:
        arm: the fields of :class:`regard.comparison.arms.Arm`.
        host: name of the network.
        pretrained: published weights are loaded.
        start: ``paper`` from scratch, ``identity`` on loaded weights.
        task: its facts beside the data: for images classes, channels and size.
        seed: of weights, order of the data and dropout.
        budget: the fields of :class:`regard.training.Budget`.
        device: ``cpu`` or ``cuda``.
        data: fingerprint of the data.
        code: hash of the code that runs the trial.
        versions: of the libraries that compute.
    """

    arm: Mapping[str, Any]
    host: str
    pretrained: bool
    start: str
    task: Mapping[str, Any]
    seed: int
    budget: Mapping[str, Any]
    device: str
    data: str
    code: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        arm: Arm,
        task: Task,
        budget: Budget,
        *,
        host: str,
        seed: int,
        device: str,
        pretrained: bool = False,
        start: str = "paper",
    ) -> Spec:
        """Of what is set up now, with the code and the libraries that there are."""
        return cls(
            arm=asdict(arm), host=host, pretrained=pretrained, start=start, task=task.facts(),
            seed=seed, budget=asdict(budget), device=device, data=task.data.fingerprint,
            code=code_fingerprint(arm.mechanism, host), versions=library_versions(host),
        )  # fmt: skip

    def key(self) -> str:
        """Sixteen hexadecimal digits that name the trial. What only names the arm is left out."""
        facts = {**asdict(self), "arm": Arm(**self.arm).identity()}
        text = json.dumps(facts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def save(self, folder: Path) -> None:
        """Write the specification into the trial's folder, unless it is there.

        Raises:
            RegardError: if it cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(folder, error) from None
        if not (folder / SPEC).exists():
            write_whole(folder / SPEC, json.dumps(asdict(self), indent=1).encode())

    @classmethod
    def load(cls, folder: Path) -> Spec:
        """Read a trial's specification.

        Raises:
            RegardError: if it is missing or none of ours.
        """
        try:
            given = json.loads((folder / SPEC).read_text(encoding="utf-8"))
            spec = cls(**{f.name: given[f.name] for f in fields(cls)})
            spec.key()
            if not isinstance(spec.host, str) or not isinstance(spec.arm["mechanism"], str | None):
                raise TypeError("the network or the mechanism is no text")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RegardError(f"{folder / SPEC} is no specification of a trial: {error}") from None
        return spec


Present = tuple[str, dict[str, str]]
"""Fingerprint of the code and versions of the libraries."""


def code_now(mechanism: str | None, host: str) -> Present | None:
    """What a trial of them would be set up with now; None where one of their files is not there."""
    try:
        return code_fingerprint(mechanism, host), library_versions(host)
    except (ValueError, ImportError, OSError):  # a RegardError is a ValueError
        return None


def is_stale(
    spec: Spec, now: Callable[[str | None, str], Present | None] = code_now
) -> bool | None:
    """True if the trial was set up with other code or libraries than there are now.

    None where that cannot be told, because a file of the host or the mechanism is not there.
    """
    present = now(spec.arm["mechanism"], spec.host)
    return None if present is None else present != (spec.code, dict(spec.versions))


def note_failure(folder: Path, message: str, details: str = "") -> None:
    """Keep why a trial failed, if the disk lets us."""
    with suppress(RegardError):
        text = f"{message}\n\n{details}".rstrip() + "\n"
        write_whole(folder / FAILURE, text.encode("utf-8", "backslashreplace"))


def read_failure(folder: Path) -> str | None:
    """Why a trial failed the last time, in one line; None if it did not."""
    try:
        lines = (folder / FAILURE).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    return lines[0] if lines else None


def forget_failure(folder: Path) -> None:
    """Before a trial is tried again."""
    with suppress(OSError):
        (folder / FAILURE).unlink(missing_ok=True)

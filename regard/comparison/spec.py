"""The specification of a trial, its key, and what belongs to it on the disk.

A trial is a folder named by the hash of all that decides its result: the specification, the data,
the code that runs it and the versions of the libraries. The same trial is never trained twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..catalogue import card, source_of
from ..errors import RegardError
from ..networks import factory_file
from ..training.checkpoint import write_whole

SPEC, RESULT, METRICS = "spec.json", "result.json", "metrics.jsonl"
TIMING, MAPS, FAILURE = "timing.json", "maps.safetensors", "failure.txt"
_PACKAGE = Path(__file__).parent.parent
_CODE = ("cards.py", "catalogue.py", "ops", "surgery", "networks", "data", "training")
_OWN = ("comparison/trial.py", "comparison/placebo.py", "comparison/arms.py", "maps.py")


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """Everything that decides the result of one training.

    Args:
        arm: the fields of :class:`regard.comparison.arms.Arm`.
        host: name of the network.
        pretrained: published weights are loaded.
        start: ``paper`` from scratch, ``identity`` on loaded weights.
        classes, channels, size: of the data.
        seed: of weights, order of the data and dropout.
        budget: the fields of :class:`regard.training.Budget`.
        device: ``cpu`` or ``cuda``.
        data: fingerprint of the images.
        code: hash of the code that runs the trial.
        versions: of the libraries that compute.
    """

    arm: Mapping[str, Any]
    host: str
    pretrained: bool
    start: str
    classes: int
    channels: int
    size: int
    seed: int
    budget: Mapping[str, Any]
    device: str
    data: str
    code: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    def key(self) -> str:
        """Sixteen hexadecimal digits that name the trial."""
        return _hash(json.dumps(asdict(self), sort_keys=True).encode())

    def save(self, folder: Path) -> None:
        """Write the specification into the trial's folder, unless it is there."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RegardError(f"{folder} cannot be made: {error.strerror}") from None
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
            return cls(**{f.name: given[f.name] for f in fields(cls)})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RegardError(f"{folder / SPEC} is no specification of a trial: {error}") from None


def code_fingerprint(mechanism: str | None, host: str) -> str:
    """Hash of the code that decides a trial: ours that matters, the mechanism's, the host's."""
    own = [_PACKAGE / name for name in (*_CODE, *_OWN)]
    found = [f for path in own for f in sorted(path.rglob("*.py") if path.is_dir() else [path])]
    found += sorted((_PACKAGE / "mechanisms").glob("_*.py"))
    if mechanism is not None:
        found.append(source_of(card(mechanism)))
        found += [_PACKAGE / "mechanisms" / f"{s}.py" for s in _scores_of(mechanism)]
    factory = factory_file(host)
    return _files_hash(tuple(found + ([factory] if factory else [])))


def library_versions(host: str) -> dict[str, str]:
    """Versions of the libraries that a trial computes with."""
    names = ["torch", *(n for n in ("timm", "torchvision") if host.startswith(f"{n}:"))]
    return {name: _version(name) for name in names}


def is_stale(spec: Spec) -> bool:
    """True if the trial was trained with other code or other libraries than there are now."""
    mechanism = spec.arm["mechanism"]
    now = (code_fingerprint(mechanism, spec.host), library_versions(spec.host))
    return now != (spec.code, dict(spec.versions))


def _scores_of(mechanism: str) -> tuple[str, ...]:
    """Mechanisms that project their inputs use the five scores beside them."""
    scores = ("scaled_dot", "dot", "cosine", "bilinear", "additive")
    return scores if card(mechanism).name in ("multihead", "self", "cross") else ()


@cache
def _files_hash(paths: tuple[Path, ...]) -> str:
    return _hash(b"\0".join(path.name.encode() + b"\0" + path.read_bytes() for path in paths))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]

"""One arm trained once and kept, to be used: a folder with weights and all that goes with them.

``network.safetensors`` holds the weights, ``network.json`` the specification of the training,
vocabularies and labels, and what was measured. Both are data: nothing in them is run. Only a
network or a mechanism in a file of the user's own is code, and is run when that is allowed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from ..catalogue import is_own
from ..data.tree import shown
from ..errors import RegardError, cause, unwritable
from ..tasks import ImageTask, Task, TextTask
from ..tasks.codec import Codec
from ..tasks.image_codec import ImageCodec
from ..tasks.kept import CORPORA
from ..training import Budget, checkpoint, train
from ..training.determinism import deterministic
from ..training.loop import OnEpoch
from .arms import Arm
from .spec import Spec
from .trial import budget_of, build

WEIGHTS, ABOUT, FORMAT = "network.safetensors", "network.json", "regard network 1"


@dataclass(frozen=True, slots=True)
class Trained:
    """A network that can be used.

    Args:
        model: with its weights, on the CPU.
        codec: how texts or image files go in and answers come out.
        about: what else is known: ``spec``, ``data``, ``measures``, ``loss``, ``epochs``.
    """

    model: nn.Module
    codec: Codec | ImageCodec
    about: Mapping[str, Any]

    def save(self, folder: Path) -> None:
        """Write the two files.

        Raises:
            RegardError: if they cannot be written.
        """
        tensors = {k: v for k, v in self.model.state_dict().items() if isinstance(v, Tensor)}
        own = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        facts = {"format": FORMAT, "kind": self.codec.kind, "codec": self.codec.facts()}
        checkpoint.write_whole(folder / WEIGHTS, to_bytes(own, {"codec": _print_of(facts)}))
        text = json.dumps({**facts, **self.about}, indent=1, allow_nan=False)
        checkpoint.write_whole(folder / ABOUT, text.encode())

    @classmethod
    def load(cls, folder: str | Path, *, run_code: bool = False) -> Trained:
        """Read what :meth:`save` wrote.

        Args:
            folder: that was written to.
            run_code: allow the network or mechanism to be in a file of the user's own, which is
                run.

        Raises:
            RegardError: if the folder holds no network, it is damaged, its weights are of another
                vocabulary or network, or it names code that may not be run.
        """
        folder = Path(folder)
        facts = _read(folder)
        try:
            spec = Spec(**facts["spec"])
            arm = Arm(**spec.arm)
            codec = _codec_of(facts)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _no_network(folder, cause(error)) from None
        if not run_code and any(map(_is_code, (spec.host, arm.mechanism))):
            raise RegardError(
                f"{shown(folder)} names code of somebody's own ({shown(spec.host)}, "
                f"{shown(str(arm.mechanism))}), which is run to build the network; if it is yours, "
                "say --run-code"
            )
        model = codec.build(arm.network(spec.host, codec.kind))
        if isinstance(codec, ImageCodec):
            arm.plug_into(model, codec.example(), spec.start)
        _load_weights(model, folder, _print_of(facts))
        return cls(model.eval(), codec, facts)

    def predict(self, lines: Sequence[str], **options: int) -> list[str]:
        """An answer a line; for translation ``beams=`` may be given.

        Raises:
            RegardError: for options that this kind of network does not have.
        """
        if options and self.codec.kind != "translation":
            raise RegardError(f"beams are for translation; this network is for {self.codec.kind}")
        return self.codec.predict(self.model, lines, **options)


def train_one(
    task: Task,
    host: str,
    arm: Arm,
    budget: Budget,
    folder: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
    on_epoch: OnEpoch | None = None,
) -> Trained:
    """Train an arm on a task and keep it; one that was stopped goes on from its last epoch.

    Args:
        task: on the CPU.
        host, arm, budget, seed, device: as of a comparison.
        folder: where it is kept, its checkpoint too meanwhile.
        on_epoch: called after each epoch with all epochs done so far.

    Raises:
        RegardError: if the folder holds another network, or cannot be written.
    """
    spec = Spec.of(arm, task, budget, host=host, seed=seed, device=device)
    _claim(folder, spec)
    if (folder / ABOUT).exists():
        return Trained.load(folder, run_code=True)
    with deterministic():
        model, _ = build(spec, task)
        own = budget_of(spec, model)
        run = train(model, task, own, seed=seed, device=device, folder=folder, on_epoch=on_epoch)
    about = {
        "spec": asdict(spec),
        "data": {"name": task.data.name, "text": task.data.describe()},
        "measures": dict(run.scores.measures),
        **run.facts(),
    }
    trained = Trained(model, _codec(task), about)
    trained.save(folder)
    checkpoint.forget(folder)
    return trained


def _codec(task: Task) -> Codec | ImageCodec:
    if isinstance(task, ImageTask | TextTask):
        codec: Codec | ImageCodec = task.codec
        return codec
    raise RegardError(f"{type(task).__name__} has nothing to keep beside a network")


def _claim(folder: Path, spec: Spec) -> None:
    """Make the folder, and see that what is in it is of the same training."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None
    key = folder / "training.json"
    if (folder / ABOUT).exists() or key.exists():
        there = _key_of(folder)
        if there != spec.key():
            raise RegardError(
                f"{shown(folder)} holds another network; choose another --out, or remove it"
            )
    checkpoint.write_whole(key, json.dumps({"key": spec.key()}).encode())


def _key_of(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / "training.json").read_text(encoding="utf-8"))["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _codec_of(facts: Mapping[str, Any]) -> Codec | ImageCodec:
    if facts["kind"] == "images":
        return ImageCodec.of_facts(facts["codec"])
    codec: Codec = CORPORA[facts["kind"]][1].of_facts(facts["codec"])
    return codec


def _read(folder: Path) -> dict[str, Any]:
    try:
        facts = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise _no_network(folder, f"there is no {ABOUT} in it") from None
    except (OSError, ValueError, RecursionError) as error:
        raise _no_network(folder, cause(error)) from None
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise _no_network(folder, f"{ABOUT} does not say format {FORMAT!r}")
    return facts


def _load_weights(model: nn.Module, folder: Path, codec: str) -> None:
    path = folder / WEIGHTS
    try:
        with safe_open(path, framework="pt") as file:
            told = (file.metadata() or {}).get("codec")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _no_network(folder, f"{WEIGHTS}: {cause(error)}") from None
    try:
        if told != codec:
            raise RegardError("it was trained with other vocabularies or labels")
        model.load_state_dict(tensors)
    except (RegardError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:160]
        raise RegardError(
            f"{shown(path)} does not belong to the {ABOUT} beside it: {reason}\n"
            "copy both files of one training"
        ) from None


def _print_of(facts: Mapping[str, Any]) -> str:
    """A fingerprint of vocabularies and labels, which the weights carry too."""
    text = json.dumps(facts["codec"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_code(name: str | None) -> bool:
    library = (name or "").partition(":")[0] in ("timm", "torchvision")
    return name is not None and not library and is_own(name)


def _no_network(folder: Path, why: str) -> RegardError:
    return RegardError(f"{shown(folder)} holds no network of `regard train`: {shown(why)}")

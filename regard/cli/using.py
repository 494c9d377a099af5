"""The commands on one network: train and keep it, let it answer, measure it."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RegardError
from .answer import Answer, json_of
from .plans import plan_of, reading_of

if TYPE_CHECKING:
    from ..comparison.arms import Arm

BOM = b"\xef\xbb\xbf"


def train_network(options: Namespace) -> Answer:
    """One network, kept in a folder."""
    from ..comparison.plan import device_of
    from ..comparison.trained import train_one
    from ..tasks import open_task
    from ..training import Budget

    plan = plan_of(options)
    arm = _arm(options.mechanism, plan.host, plan.kind)
    size = {} if plan.kind != "images" else _size(plan)
    task = open_task(
        plan.data, plan.reading, dim=plan.dim, validation=plan.validation, on_bad=plan.on_bad,
        **size,
    )  # fmt: skip
    budget: Budget = plan.budget

    def tell(epochs: Sequence[Mapping[str, float]]) -> None:
        numbers = {k: v for k, v in epochs[-1].items() if k != "epoch"}
        told = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
        print(f"epoch {len(epochs)} of {budget.epochs}: {told}", file=sys.stderr, flush=True)

    made = train_one(
        task, plan.host, arm, budget, Path(options.out), seed=options.seed,
        device=device_of(plan.device), on_epoch=tell,
    )  # fmt: skip
    if options.json:
        return Answer(json_of({"folder": options.out, **_told(made.about)}))
    lines = [*_lines(made.about["measures"], made.about), f"kept in {options.out}"]
    return Answer("\n".join([made.about["data"]["text"], "", *lines]))


def predict_lines(options: Namespace) -> Answer:
    """One line out for one line in."""
    from ..comparison.trained import Trained

    trained = Trained.load(options.folder, run_code=options.run_code)
    lines = read_standard_input()
    beams = {} if options.beams == 1 else {"beams": options.beams}
    answers = trained.predict(lines, **beams)
    if options.json:
        pairs = zip(lines, answers, strict=True)
        return Answer(json_of([{"input": line, "output": answer} for line, answer in pairs]))
    return Answer("\n".join(answers) if answers else None)


def score_network(options: Namespace) -> Answer:
    """How well a kept network does on data."""
    from ..comparison.trained import Trained
    from ..tasks.opening import open_for

    trained = Trained.load(options.folder, run_code=options.run_code)
    on_bad: Any = "skip" if options.skip_bad else "error"
    task = open_for(trained.codec, options.data, reading_of(options), on_bad=on_bad)
    found = task.evaluate(trained.model, "test")
    facts = {**found.measures, "loss": found.loss, **found.parts}
    if options.json:
        return Answer(json_of({"data": task.data.name, "part": "test", **facts}))
    head = f"{task.data.name}, test part"
    return Answer("\n".join([head, *_lines(found.measures, facts)]))


def read_standard_input() -> list[str]:
    """The lines of standard input, which is UTF-8; a mark at its beginning is no part of it.

    Raises:
        RegardError: for a line that is no UTF-8, with its number.
    """
    lines = sys.stdin.buffer.read().removeprefix(BOM).split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return [_decoded(line.removesuffix(b"\r"), number) for number, line in enumerate(lines, 1)]


def _decoded(line: bytes, number: int) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise RegardError(
            f"standard input, line {number:,}: byte {error.start + 1:,} "
            f"(0x{line[error.start]:02x}) is no UTF-8; what works: iconv -f OLD -t UTF-8"
        ) from None


def _arm(asked: str | None, host: str, kind: str) -> Arm:
    """The one arm that is trained: what was asked for, or the network as it is by itself."""
    from ..comparison.arms import arm_of, plain_arm
    from ..tasks.grammar import split

    if asked is None:
        return plain_arm(host, kind)
    names = split(asked)
    if len(names) != 1:
        raise RegardError(f"--with {asked}: one attention is trained with; compare takes several")
    return arm_of(names[0], kind)


def _size(plan: Any) -> dict[str, Any]:
    from ..networks import input_channels, input_size

    size = input_size(plan.host) if plan.size is None else plan.size
    return {"size": size, "channels": input_channels(plan.host)}


def _lines(measures: Mapping[str, float], facts: Mapping[str, Any]) -> list[str]:
    from ..comparison.wording import name_of, shown_share

    found = [f"{name_of(name):12} {shown_share(value, name)}" for name, value in measures.items()]
    for name, signature in facts.get("signatures", {}).items():
        found.append(f"{name_of(name)}: {signature}")
    return found


def _told(about: Mapping[str, Any]) -> dict[str, Any]:
    return {name: about[name] for name in ("data", "measures", "loss", "epochs")}

"""What was asked on the command line, as a plan."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from typing import Any


def plan_of(options: Namespace) -> Any:
    """The plan of a comparison, or of one network; what a command does not ask is the default."""
    from ..comparison import Plan

    said = vars(options)
    asked = {"host": options.on, **{n: said.get(n) for n in ("mechanisms", "seeds", "dim")}}
    default = Plan(data=options.data, reading=reading_of(options))
    given = {n: getattr(options, n) for n in ("epochs", "batch", "rate", "decay")}
    return replace(
        default,
        **{name: value for name, value in asked.items() if value is not None},
        controls=said.get("controls", "none"),
        budget=replace(default.budget, **{n: v for n, v in given.items() if v is not None}),
        size=options.size,
        validation=options.validation,
        pretrained=said.get("pretrained", False),
        delta=said.get("delta", 0.5) / 100,
        on_bad="skip" if options.skip_bad else "error",
        device=options.device,
    )


def reading_of(options: Namespace) -> Any:
    """How data is to be read."""
    from ..tasks import Reading

    said = vars(options)
    names = (
        "task", "target", "columns", "reverse", "test", "unit", "tokens", "longest", "measure",
    )  # fmt: skip
    return Reading(**{name: said[name] for name in names if name in said})

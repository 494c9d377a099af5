"""One thin function a command."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import RegardError


def list(options: Namespace) -> None:
    """The mechanisms, one a line."""
    from .. import card, names
    from ..surgery.sites import aligned

    cards = [card(name) for name in names(options.family, options.takes)]
    if options.json:
        print(json.dumps([c.facts() for c in cards], indent=2, ensure_ascii=False))
        return
    head = ("name", "title", "takes", "family", "year", "paper")
    rows = [(c.name, c.title, c.takes, "+".join(c.family), str(c.year), c.paper) for c in cards]
    print(aligned([head, *rows]))


def show(options: Namespace) -> None:
    """A mechanism's card."""
    from .. import card
    from ..catalogue import signature_of, source_of

    found = card(options.name)
    facts = {**found.facts(), "call": f"{found.name}{signature_of(found)}"}
    if options.json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    bibtex = facts.pop("bibtex")
    for name, value in facts.items():
        if value or value == 0:
            text = ", ".join(map(str, value)) if isinstance(value, (tuple, [].__class__)) else value
            print(f"{name:13} {text}")
    print(f"{'source':13} {source_of(found).name}\n\n{bibtex}")


def sites(options: Namespace) -> None:
    """The sites of a model."""
    from .. import sites as sites_of

    model, example = _host(options)
    found = sites_of(model, example, options.at, before=options.before)
    print(found.json() if options.json else found.table())


def compare(options: Namespace) -> int:
    """The main job."""
    from ..comparison import Plan
    from ..comparison import compare as run
    from ..comparison.executors import LocalExecutor
    from ..comparison.plan import device_of
    from ..comparison.progress import Progress

    default = Plan()
    given = {n: getattr(options, n) for n in ("epochs", "batch", "rate", "decay")}
    plan = Plan(
        data=options.data,
        host=options.on,
        mechanisms=options.mechanisms or default.mechanisms,
        controls=options.controls,
        seeds=_seeds(options.seeds),
        budget=replace(default.budget, **{n: v for n, v in given.items() if v is not None}),
        size=options.size,
        validation=options.validation,
        pretrained=options.pretrained,
        delta=options.delta / 100,
        on_bad="skip" if options.skip_bad else "error",
        device=options.device,
    )
    executor = LocalExecutor(options.workers, device_of(plan.device))
    try:
        with Progress() as progress:
            result = run(plan, out=options.out, executor=executor, watch=progress)
    except KeyboardInterrupt:
        raise RegardError(
            "stopped; what is finished is kept, and the same command goes on from there"
        ) from None
    if options.json:
        print(result.json())
    else:
        result.show()
        print(f"\nreport: {result.folder / 'report.html'}")
    return 0


def report(options: Namespace) -> None:
    """The report of a comparison."""
    from ..comparison import Comparison
    from ..comparison import report as make

    found = Comparison.load(options.folder)
    page = make(found)
    path = page.write_html(options.out or Path(options.folder) / "report.html")
    if options.open:
        page.open()
    if options.json:
        print(found.json())
    else:
        found.show()
        print(f"\nreport: {path}")


def measure(options: Namespace) -> None:
    """The cost of a model."""
    from ..comparison.arms import Arm, parse_arms
    from ..cost import measure as cost_of

    model, example = _host(options)
    if options.mechanism is not None:
        arms: tuple[Arm, ...] = parse_arms(options.mechanism)
        arms[1].plug_into(model, example, "identity")
    found = cost_of(model, example, batch=options.batch, threads=options.threads)
    print(found.json() if options.json else found.table())


def check(options: Namespace) -> int:
    """The contract on a mechanism."""
    from ..checks import check as run

    rules = options.rules.split(",") if options.rules else None
    found = run(options.name, rules)
    print(found.json() if options.json else found.table())
    return 0 if found.passed else 1


def doctor(options: Namespace) -> int:
    """What is missing or broken."""
    from ..doctor import examine

    found = examine()
    print(found.json() if options.json else found.table())
    return 0 if found.well else 1


def completion(options: Namespace) -> None:
    """A shell's completion script."""
    import shtab

    from .parser import make_parser

    print(shtab.complete(make_parser(), options.shell))


def _host(options: Namespace) -> tuple[Any, Any]:
    """A network with random weights, and one random image."""
    import torch

    from ..networks import build_host, check_host, input_channels, input_size

    size = options.size or input_size(options.model) or 32
    channels = options.channels or input_channels(options.model) or 3
    model = build_host(options.model, classes=options.classes, channels=channels, size=size)
    example = torch.randn(2, channels, size, size)
    check_host(model, options.classes, example)
    return model.eval(), example


def _seeds(text: str) -> tuple[int, ...]:
    """``5`` means the seeds 0 to 4; ``0,3,7`` means these."""
    try:
        seeds = tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError:
        seeds = ()
    if "," not in text and seeds and seeds[0] > 0:
        seeds = tuple(range(seeds[0]))
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds) or text.strip() == "0":
        raise RegardError(f"--seeds {text}: give a number such as 5, or a list such as 0,3,7")
    return seeds

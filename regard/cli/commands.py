"""One thin function a command."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import RegardError
from .answer import Answer, json_of
from .explaining import explain_text
from .looking import look_at_model
from .plans import plan_of
from .using import predict_lines, score_network, train_network


def list_mechanisms(options: Namespace) -> Answer:
    """The mechanisms, one a line."""
    from .. import card, names
    from ..page import aligned

    cards = [card(name) for name in names(options.family, options.takes)]
    if options.json:
        return Answer(json_of([c.facts() for c in cards]))
    head = ("name", "title", "takes", "family", "year", "paper")
    rows = [(c.name, c.title, c.takes, "+".join(c.family), str(c.year), c.paper) for c in cards]
    return Answer(aligned([head, *rows]))


def show_card(options: Namespace) -> Answer:
    """A mechanism's card."""
    from .. import card
    from ..catalogue import signature_of, source_of

    found = card(options.name)
    facts = {**found.facts(), "call": f"{found.name}{signature_of(found)}"}
    if options.json:
        return Answer(json_of(facts))
    bibtex = facts.pop("bibtex")
    lines = [
        f"{name:13} {_shown(value)}"
        for name, value in {**facts, "source": source_of(found).name}.items()
        if value or value == 0
    ]
    return Answer("\n".join([*lines, "", bibtex]))


def cite_mechanisms(options: Namespace) -> Answer:
    """BibTeX of mechanisms, each paper once."""
    from .. import card, cite

    if options.json:
        found = [card(name) for name in options.names]
        return Answer(json_of([{"name": c.name, "bibtex": c.bibtex} for c in found]))
    return Answer(cite(*options.names))


def list_sites(options: Namespace) -> Answer:
    """The sites of a model."""
    from ..surgery import sites

    model, example = _host(options)
    found = sites(model, example, options.at, before=options.before)
    return Answer(found.json() if options.json else found.table())


def run_comparison(options: Namespace) -> Answer:
    """The main job."""
    from ..comparison import compare
    from ..comparison.executors import LocalExecutor
    from ..comparison.plan import device_of
    from ..comparison.progress import Progress

    plan = plan_of(options)
    executor = LocalExecutor(options.workers, device_of(plan.device))
    try:
        with Progress() as progress:
            result = compare(plan, out=options.out, executor=executor, watch=progress)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            "stopped; what is finished is kept, and the same command goes on from there"
        ) from None
    if options.json:
        return Answer(result.json())
    return Answer(f"{result.text()}\n\nreport: {result.folder / 'report.html'}")


def write_report(options: Namespace) -> Answer:
    """The report of a comparison."""
    import webbrowser

    from ..comparison import Comparison, report
    from ..training.checkpoint import write_whole

    found = Comparison.load(options.folder)
    path = Path(options.out) if options.out else Path(options.folder) / "report.html"
    write_whole(path, report(found).html().encode())
    if options.open and not webbrowser.open(path.resolve().as_uri()):
        raise RegardError(f"no browser could be opened; the report is {path}")
    return Answer(found.json() if options.json else f"{found.text()}\n\nreport: {path}")


def measure_model(options: Namespace) -> Answer:
    """The cost of a model."""
    from ..comparison.arms import parse_arms
    from ..cost import measure

    model, example = _host(options)
    if options.mechanism is not None:
        _, *arms = parse_arms(options.mechanism)
        if len(arms) > 1:
            raise RegardError(f"--with {options.mechanism}: one mechanism is measured at a time")
        arms[0].plug_into(model, example, "paper")
    found = measure(model, example, batch=options.batch, threads=options.threads)
    return Answer(found.json() if options.json else found.table())


def run_benchmark(options: Namespace) -> Answer:
    """Correctness, then times."""
    import sys

    from ..bench import bench
    from ..bench.result import place_for

    for path in options.out:
        place_for(path)
    found = bench(_scope(options), watch=lambda line: print(line, file=sys.stderr, flush=True))
    for path in options.out:
        found.save(path)
    return Answer(found.json() if options.json else found.table(), 0 if found.passed else 1)


def check_mechanism(options: Namespace) -> Answer:
    """The contract on a mechanism."""
    from ..checks import check

    rules = [rule.strip() for rule in options.rules.split(",")] if options.rules else None
    found = check(options.name, rules)
    return Answer(found.json() if options.json else found.table(), 0 if found.passed else 1)


def examine_machine(options: Namespace) -> Answer:
    """What is missing or broken."""
    from ..doctor import examine

    found = examine()
    return Answer(found.json() if options.json else found.table(), 0 if found.well else 1)


def complete_shell(options: Namespace) -> Answer:
    """A shell's completion script."""
    import shtab

    from .parser import make_parser

    return Answer(shtab.complete(make_parser(), options.shell))


COMMANDS: dict[str, Callable[[Namespace], Answer]] = {
    "list": list_mechanisms,
    "show": show_card,
    "cite": cite_mechanisms,
    "sites": list_sites,
    "see": look_at_model,
    "explain": explain_text,
    "compare": run_comparison,
    "report": write_report,
    "train": train_network,
    "predict": predict_lines,
    "score": score_network,
    "measure": measure_model,
    "bench": run_benchmark,
    "check": check_mechanism,
    "doctor": examine_machine,
    "completion": complete_shell,
}


def _scope(options: Namespace) -> Any:
    from ..bench import Scope
    from ..bench.scope import PARTS, shape_of

    parts = tuple(part for part in PARTS if getattr(options, part))
    names = ",".join(options.names) or Scope().mechanisms
    return Scope(
        mechanisms=names,
        parts=parts,
        on=options.on,
        batch=options.batch,
        size=options.size,
        shapes=tuple(shape_of(text) for text in options.shape),
        dtype=options.dtype,
        device=options.device,
        threads=options.threads,
        seconds=options.seconds,
        without=tuple(name.strip() for name in options.without.split(",") if name.strip()),
    )


def _host(options: Namespace) -> tuple[Any, Any]:
    """A network with random weights, and one random image."""
    import torch

    from ..networks import build_host, input_channels, input_size

    size = options.size or input_size(options.model) or 32
    channels = options.channels or input_channels(options.model) or 3
    model = build_host(options.model, classes=options.classes, channels=channels, size=size)
    example = torch.randn(2, channels, size, size)
    return model.eval(), example


def _shown(value: Any) -> str:
    """A fact of a card in one line."""
    if isinstance(value, dict):
        return "; ".join(f"{name}: {entry}" for name, entry in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

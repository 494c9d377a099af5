"""The page of one mechanism in Markdown, from its card, its file and one traced forward."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..cards import Card
from ..catalogue import signature_of, source_of
from ..checks.rule import MAPS
from .counting import drift, parameters, sizes_of
from .diagram import in_words
from .prose import explanation_of, idea_of, markdown, options_of_class
from .simplifying import Step
from .tracing import Flow
from .usage import code, refusal

TAKES: Mapping[str, str] = {
    "map": "a map `[B, C, *space]` → the same",
    "maps": "two maps `[B, C, *space]` → one like the first",
    "tokens": "tokens `[B, N, D]` → the same; keys and values perhaps of another source",
    "pooled": "tokens `[B, N, D]` → one vector each, `[B, D]`",
    "convolution": "a map `[B, C, *space]` → the same by default, in place of a convolution",
    "add": "tokens `[B, N, D]` → tokens plus a code of places",
    "rotate": "queries, or keys, `[B, h, N, d]` → the same, turned by their places",
    "bias": "queries and keys, for their numbers alone → logits `[h, Nq, Nk]` to add",
}
_PLACES = {
    "branch": "the end of every residual branch, before the addition",
    "input": "the network's first convolution",
    "stage": "the map after the last stage",
}
_STARTS = {
    "gate": "yes: the last layer is zero and the gate 2σ, so it is one",
    "residual": "yes: x + m(x) with a last projection of zero",
    "theta": "yes: the warp is the identity",
    "none": 'no: plugging wants `start="paper"`',
}


def entry(card: Card, flow: Flow, steps: Sequence[Step]) -> str:
    """The page."""
    parts = [
        f"# {markdown(card.title)}",
        idea_of(card),
        _facts(card),
        "## Formula, shapes, cost",
        explanation_of(card),
        "## Data flow",
        f"![{alternative(card, steps)}]({card.name}.svg)",
        f"Read from one forward of the module, {flow.inputs} (B = 2). `×`, `+` and `−` are between "
        "tensors of the flow; a scale or shift is by a number.",
        "<details><summary>The same in words</summary>",
        "\n".join(in_words(steps)),
        "</details>",
        "## Parameters",
        _counts(card),
        "## Use",
        f"```python\n{code(card)}\n```",
        *_options(card),
        "## Cite",
        f"```bibtex\n{card.bibtex.strip()}\n```",
        f"[Source](../../regard/mechanisms/{source_of(card).name}) · "
        "[All mechanisms](../catalogue.md)",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def alternative(card: Card, steps: Sequence[Step]) -> str:
    """What the diagram shows, in a line without brackets."""
    kinds = [s.kind for s in steps if s.kind not in ("input", "output")]
    return re.sub(r"[\[\]<>]", "", f"Data flow of {card.title}: {', then '.join(kinds)}")


def paper_link(card: Card) -> str:
    """The paper's identifier, linked."""
    kind, _, rest = card.paper.partition(":")
    address = {"arXiv": f"https://arxiv.org/abs/{rest}", "doi": f"https://doi.org/{rest}"}
    shown = card.paper if kind in address else re.sub(r"^https://([^/]+)/.*", r"\1", card.paper)
    return f"[{shown}]({address.get(kind, card.paper)})"


def _facts(card: Card) -> str:
    rows = [
        ("name", f"`{card.name}`"),
        ("also called", ", ".join(f"`{alias}`" for alias in card.aliases)),
        ("paper", f"{paper_link(card)}, {card.year}"),
        ("authors", markdown(card.authors)),
        ("official code", _official(card)),
        ("attends over", ", ".join(card.family)),
        ("takes", TAKES[card.position or card.takes]),
        ("spatial dimensions", ", ".join(map(str, card.dims)) if card.takes in MAPS else ""),
        ("variants", _variants(card)),
        ("starts as the identity", _start(card)),
        ("goes by default", _place(card)),
        ("complexity", markdown(card.complexity)),
        *(("slower learning rate", f"`{part}` × {f:g}") for part, f in card.slow.items()),
        *(("waived check", f"`{rule}`: {markdown(why)}") for rule, why in card.waives.items()),
    ]  # fmt: skip
    return "\n".join(
        ["| | |", "| --- | --- |", *(f"| {label} | {text} |" for label, text in rows if text)]
    )


def _official(card: Card) -> str:
    if not card.code:
        return "none"
    shown = re.sub(r"^https://(github\.com/)?", "", card.code)
    return f"[{shown}]({card.code}), licence: {markdown(card.code_licence or 'none stated')}"


def _variants(card: Card) -> str:
    default, *others = card.variants
    return f"`{default}` (default)" + "".join(f", `{other}`" for other in others)


def _start(card: Card) -> str:
    if card.position:
        return ""
    away = drift(card) if card.start == "none" else None
    measured = "" if away is None else f"; it then moves a normal input by {away:.1g} of its size"
    return _STARTS[card.start] + measured


def _place(card: Card) -> str:
    why = refusal(card)
    if why:
        return markdown(f"not plugged at a site: {why}")
    side = ", on what goes in" if card.before else ""
    return _PLACES[card.place] + side


def _counts(card: Card) -> str:
    size = "heads" if card.position == "bias" else "C"
    found = {n: parameters(card, n) for n in sizes_of(card)}
    head = f"| {size} | " + " | ".join(map(str, found)) + " |"
    row = " | ".join("refused" if n is None else f"{n:,}" for n in found.values())
    given = ", ".join(f"{n} = {v}" for n, v in card.options.items())
    return "\n\n".join(
        [
            f"`{card.parameters}`" + (f" with {markdown(given)}" if given else ""),
            f"{head}\n| --- |{' --- |' * len(found)}\n| parameters | {row} |",
        ]
    )


def _options(card: Card) -> list[str]:
    lines = [f"- `{name}`: {text}" for name, text in options_of_class(card)]
    return [f"`{card.name}{signature_of(card)}`", *(["\n".join(lines)] if lines else [])]

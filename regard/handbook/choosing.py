"""docs/choosing.md: which mechanism to choose, by a run of our own and by what the cards say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..cards import Card
from ..checks.specimen import arguments
from ..comparison.statistics import summary
from ..comparison.verdict import Difference
from ..comparison.wording import shown
from .counting import parameters
from .prose import markdown
from .run import PLAIN, Run

_SIZE, _FEW = 256, 100
_VERDICTS = ("helps", "no more than ±δ", "undecided", "hurts")


def choosing(cards: Sequence[Card], run: Run) -> str:
    """The page."""
    about, budget = run.about, run.about["budget"]
    data, *details = about["data"].splitlines()
    parts = [
        "# Which one should I choose?",
        "Nobody can tell from the papers: a mechanism that helps one network on one kind of data "
        "may hurt another. Ask for yours: `regard compare path/to/images --on timm:resnet18 --with "
        "none,se,cbam`. Below is what one such run of our own found, then what the mechanisms are "
        "by themselves.",
        "## One run of our own",
        f"`{about['command']}`",
        f"{markdown(about['machine'])}, {about['date']}. Network: {markdown(about['host'])}, from "
        f"scratch, {budget['epochs']} epochs of AdamW, batch {budget['batch']}. Data: "
        f"{markdown(data)}; {'; '.join(markdown(line.removeprefix('- ')) for line in details)}. "
        "Each mechanism is where its card says, and is held against the plain network seed by "
        "seed.",
        *_answer(run),
        _table(run),
        "The interval is that of one difference alone; verdicts are corrected for the number of "
        "mechanisms (Holm), controls apart. MACs and parameters are those of the whole network. "
        "Times are left out, for they want a machine without other work: `regard bench`.",
        "**What it does not say.** One small network, one small set of turned and shifted digits, "
        "short training: where digits are turned, what can turn them back has the advantage. "
        "“Undecided” means that this many seeds cannot tell, not that there is no difference.",
        "## By what is needed",
        *_needs(cards),
        "[All mechanisms](catalogue.md)",
    ]
    return "\n\n".join(parts) + "\n"


def _answer(run: Run) -> list[str]:
    """One line a verdict, then each in words."""
    delta = f"{100 * run.about['delta']:g}"
    lines = []
    for verdict in _VERDICTS:
        arms = [f"`{d.arm}`" for d in run.differences if d.verdict == verdict]
        if arms:
            lines.append(f"- {verdict.replace('δ', delta)}: {', '.join(arms)}")
    words = [f"- {markdown(d.sentence())}" for d in _all(run)]
    details = ["<details><summary>In words</summary>", "\n".join(words), "</details>"]
    return ["\n".join(lines), *details]


def _all(run: Run) -> Iterable[Difference]:
    return (*run.differences, *run.controls)


def _table(run: Run) -> str:
    found = {d.arm: d for d in _all(run)}
    best = sorted(run.accuracies, key=lambda arm: -_mean(run, arm))
    rows = [_row(run, arm, found.get(arm)) for arm in best]
    head = "| | accuracy (seeds) | difference, points [95 %] | verdict | parameters | MACs |"
    return "\n".join([head, "| --- | --- | --- | --- | ---: | ---: |", *rows])


def _row(run: Run, arm: str, difference: Difference | None) -> str:
    size, verdict = ("", "") if difference is None else shown(difference.facts())
    cost = run.about["costs"][arm]
    name = f"[`{arm}`](catalogue/{arm}.md)"
    if arm == PLAIN or arm in run.about["controls"]:
        name = f"{arm} (control)" if arm != PLAIN else "none (the plain network)"
    cells = (
        name,
        f"{100 * _mean(run, arm):.2f} % ({len(run.accuracies[arm])})",
        size,
        verdict,
        f"{cost['parameters']:,}",
        f"{cost['macs_per_sample'] / 1e6:.2f} M",
    )
    return f"| {' | '.join(cells)} |"


def _mean(run: Run, arm: str) -> float:
    return summary(run.accuracies[arm].values())[0]


def _needs(cards: Sequence[Card]) -> list[str]:
    """What the cards themselves answer."""
    maps = [c for c in cards if c.takes == "map"]
    questions: list[tuple[str, Sequence[Card], Callable[[Card], bool]]] = [
        ("No parameters at all, on maps", maps, lambda c: _count(c) == 0),
        (
            f"Fewer than {_FEW} parameters at {_SIZE} channels, but some",
            maps,
            lambda c: 0 < _count(c) < _FEW,
        ),
        ("Maps of one or three spatial dimensions too", maps, lambda c: {1, 3} <= {*c.dims}),
        ("Two maps to fuse", cards, lambda c: c.takes == "maps"),
        ("Text that is generated: a causal mask", cards, lambda c: "causal" in arguments(c)),
        (
            "Padded text: a mask of real tokens",
            [c for c in cards if c.takes in ("tokens", "pooled")],
            lambda c: "mask" in arguments(c),
        ),
        (
            "Not into a pretrained network: these cannot start as the identity",
            [c for c in cards if not c.position],
            lambda c: c.start == "none",
        ),
    ]
    rows = []
    for question, among, fits in questions:
        names = " ".join(f"[`{c.name}`](catalogue/{c.name}.md)" for c in among if fits(c))
        rows.append(f"| {question} | {names or '–'} |")
    return ["\n".join(["| need | mechanisms |", "| --- | --- |", *rows])]


def _count(card: Card) -> int:
    """Parameters at the usual size; more than any where it is refused."""
    found = parameters(card, _SIZE)
    return 1 << 62 if found is None else found

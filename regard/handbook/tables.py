"""Tables of all mechanisms: short ones for the two READMEs, long ones in docs/catalogue.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ..cards import Card
from ..errors import RegardError
from .counting import parameters
from .entry import paper_link
from .prose import markdown

BEGIN = "<!-- the mechanisms: written by `make docs` -->"
END = "<!-- end of the mechanisms -->"
_ORDER = (
    "channel", "spatial", "channel and spatial", "two maps → one", "in place of a convolution",
    "tokens", "tokens → one", "positions",
)  # fmt: skip
CHINESE: Mapping[str, str] = {
    "attends over": "作用于",
    "mechanisms": "种机制",
    "channel": "通道",
    "spatial": "空间",
    "channel and spatial": "通道与空间",
    "two maps → one": "两个特征图 → 一个",
    "in place of a convolution": "替代卷积",
    "tokens": "序列（token）",
    "tokens → one": "序列 → 一个向量",
    "positions": "位置编码",
}
_BY_INPUT = {
    "maps": "two maps → one",
    "convolution": "in place of a convolution",
    "tokens": "tokens",
    "pooled": "tokens → one",
    "position": "positions",
}
_SIZE, _HEADS = 256, 8


def groups(cards: Iterable[Card]) -> dict[str, list[Card]]:
    """The cards by what they attend over, or by their input where that says more."""
    found: dict[str, list[Card]] = {}
    for card in cards:
        found.setdefault(_group(card), []).append(card)
    known = [*_ORDER, *sorted(found.keys() - set(_ORDER))]
    return {name: found[name] for name in known if name in found}


def short_table(cards: Sequence[Card], words: Mapping[str, str] | None = None) -> str:
    """One row a group, names linked to their pages.

    Args:
        cards: in the order of the names.
        words: translations of the headings.
    """
    words = words or {}
    head = f"| {_said('attends over', words)} | {len(cards)} {_said('mechanisms', words)} |"
    rows = [
        f"| {_said(group, words)} | {' '.join(_link(c, 'docs/catalogue/') for c in members)} |"
        for group, members in groups(cards).items()
    ]
    return "\n".join([head, "| --- | --- |", *rows])


def with_table(text: str, table: str, name: str) -> str:
    """A file's text with the table between its markers.

    Raises:
        RegardError: if the file has not exactly one pair of markers.
    """
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise RegardError(f"{name} needs one pair of lines {BEGIN} and {END}; the table goes there")
    return pattern.sub(lambda _: f"{BEGIN}\n\n{table}\n\n{END}", text)


def catalogue(cards: Sequence[Card]) -> str:
    """docs/catalogue.md: all mechanisms by group."""
    parts = [
        "# Mechanisms",
        f"{len(cards)} mechanisms, each with a page: paper, formula, data flow, cost, placement, "
        "code, citation. `regard list` and `regard show NAME` tell the same on the command line; "
        "[which one should I choose?](choosing.md)",
        "This page and those behind it are written from the mechanisms' files by `make docs`. "
        f"Parameters are those at C = {_SIZE} (biases: {_HEADS} heads) with the options of the "
        "page.",
    ]
    for group, members in groups(cards).items():
        parts += [f"## {group[0].upper()}{group[1:]}", _table(members)]
    return "\n\n".join(parts) + "\n"


def _table(cards: Sequence[Card]) -> str:
    rows = ["| name | mechanism | paper | official code | identity start | parameters |"]
    rows.append("| --- | --- | --- | --- | --- | ---: |")
    for card in cards:
        count = parameters(card, _HEADS if card.position == "bias" else _SIZE)
        start = "–" if card.position else card.start.replace("none", "no")
        rows.append(
            f"| {_link(card, 'catalogue/')} | {markdown(card.title)} | {paper_link(card)}, "
            f"{card.year} | {_licence(card)} | {start} | {'–' if count is None else f'{count:,}'} |"
        )
    return "\n".join(rows)


def _licence(card: Card) -> str:
    return f"[{markdown(card.code_licence or 'no licence')}]({card.code})" if card.code else "–"


def _link(card: Card, folder: str) -> str:
    return f"[`{card.name}`]({folder}{card.name}.md)"


def _group(card: Card) -> str:
    if card.takes != "map":
        return _BY_INPUT[card.takes]
    families = [f for f in card.family if f != "tokens"] or [*card.family]
    return " and ".join(sorted(families))


def _said(word: str, words: Mapping[str, str]) -> str:
    return words.get(word, word)

"""The switches of the page, which its script reads."""

from __future__ import annotations

from typing import Any

from ..page import Markup, both, element, join

_SCORES = (
    ("dot", "dot product", "点积"),
    ("cosine", "cosine", "余弦"),
    ("additive", "additive", "加性"),
)


def controls(numbers: dict[str, Any]) -> Markup:
    """Score, division, temperature, mask, positions, head; beside a cross-attention no mask."""
    native = numbers["native"]
    causal = None
    if numbers["place"] == "self":
        causal = _box("causal", both("causal mask", "因果掩码"), False)
    return element(
        "div",
        _scores(native["score"], ["dot", *numbers["scores"]]),
        _box("scaled", both("÷ √d", "÷ √d"), native["scaled"]),
        _temperature(),
        causal,
        _box("positions", both("positions", "位置"), True),
        _choice("head", both("head", "头"), [str(h + 1) for h in range(numbers["heads"])]),
        element("button", both("as trained", "恢复默认"), type="button", id="reset"),
        id="controls",
        role="group",
        aria_label="Switches · 开关",
    )


def query_choice(queries: list[str]) -> Markup:
    """Whose way through the head is written out."""
    names = [f"{place + 1}: {token}" for place, token in enumerate(queries)]
    return element("p", _choice("query", both("token", "词元"), names), class_="choice")


def _scores(native: str, able: list[str]) -> Markup:
    """The network's own and those that were fitted; a product needs nothing learned."""
    options = [
        element(
            "label",
            element("input", type="radio", name="score", value=value, checked=value == native),
            both(english, chinese),
        )
        for value, english, chinese in _SCORES
        if value in able
    ]
    return element("fieldset", element("legend", both("score", "打分")), *options)


def _box(name: str, label: Markup, checked: bool) -> Markup:
    return element(
        "label", element("input", type="checkbox", id=name, checked=checked), label
    )  # fmt: skip


def _temperature() -> Markup:
    slider = element(
        "input", type="range", id="temperature", min="0.2", max="5", step="0.1", value="1"
    )
    now = element("output", "1.0", id="temperature-now", for_="temperature")
    return element("label", both("temperature", "温度"), slider, now)


def _choice(name: str, label: Markup, options: list[str]) -> Markup:
    listed = join(*(element("option", text, value=place) for place, text in enumerate(options)))
    return element("label", label, element("select", listed, id=name))

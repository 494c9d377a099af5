"""The sections of the page, in the order in which numbers flow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..page import Markup, element, join, token_list
from .controls import query_choice
from .mathml import fraction, line, math, power, root
from .parts import scrolled
from .wording import said, title

SHOWN = 64  # columns of a matrix; a wider one shows its first
Section = tuple[Markup, list[Markup]]


def whole() -> Markup:
    """All of it in one formula, and what its letters are."""
    inside = fraction(line("Q K^⊤"), root(line("d")))
    return join(math(line("Z = softmax ("), inside, line(") V")), said("in-a-line"))


def sizes(numbers: dict[str, Any]) -> dict[str, Any]:
    """D, h and d, as sentences name them."""
    dim, heads = len(numbers["weights"]["query"]), numbers["heads"]
    width = dim // heads
    return {"dim": dim, "heads": heads, "width": width, "root": f"{width**0.5:.4g}"}


def inputs(numbers: dict[str, Any]) -> Iterator[Section]:
    """Tokens, and the vectors that enter the attention; queries, keys and values."""
    size = sizes(numbers)
    own = said("positions" if numbers["plain"] else "entering")
    first = [said("first", shown=SHOWN, **size)] if size["dim"] > SHOWN else []
    cross, parts = numbers["place"] == "cross", (("query", "Q"), ("key", "K"), ("value", "V"))
    from_other = [said("sources"), token_list(numbers["queries"]), grid("from", "Y")]
    yield (
        title("x-title"),
        [
            token_list(numbers["keys"]),
            said("own-tokens" if numbers["own"] else "tokens", **size),
            *_unknown(numbers["unknown"]),
            *first,
            grid("x", "X"),
            *(from_other if cross else [own]),
        ],
    )
    yield (
        title("qkv-title"),
        [
            said("qkv", **size),
            math(line(f"Q = {'Y' if cross else 'X'} W^Q , K = X W^K , V = X W^V")),
            said("hover"),
            _three(((f"W{part}", _matrix(name)) for part, name in parts), "columns narrow"),
            _three(iter(parts), "columns"),
        ],
    )


def one_head(numbers: dict[str, Any]) -> Iterator[Section]:
    """Scores, shares, and their weighted sum."""
    own = "own-" if numbers["own"] else ""
    masked = "unmasked" if numbers["place"] == "cross" else f"{own}masked"
    share = fraction(_exponential("r_ij"), join(line("Σ_m"), _exponential("r_im")))
    yield title("scores-title"), [said("scores"), *_scores(own), grid("scores", "S")]
    yield (
        title("logits-title"),
        [
            element("div", math(line("r_ij = s_ij ÷"), root(line("d"))), data_for="divided"),
            element("div", math(line("r_ij = s_ij")), data_for="undivided", hidden=True),
            said("root", **sizes(numbers)),
            said(masked),
            grid("logits", "R"),
        ],
    )
    yield (
        title("weights-title"),
        [math(line("A_ij ="), share), said("softmax"), said("temperature"), grid("weights", "A")],
    )
    yield title("z-title"), [math(line("z_i = Σ_j A_ij v_j")), said("z"), grid("z", "Z")]


def by_hand(numbers: dict[str, Any]) -> Section:
    """One token on one sheet."""
    return (
        title("hand-title"),
        [
            said("hand"),
            query_choice(numbers["queries"]),
            element("p", id="hand-q", class_="sum"),
            _sheet(),
            element("p", id="hand-z", class_="sum"),
            said("rounded"),
        ],
    )


def all_heads(numbers: dict[str, Any]) -> Iterator[Section]:
    """All of them, and what becomes of them."""
    size = sizes(numbers)
    yield title("heads-title"), [said("heads", **size), element("div", id="heads")]
    yield (
        title("out-title"),
        [
            math(line(f"O = [ Z_1 , … , Z_{size['heads']} ] W^O")),
            said("out", **size),
            grid("joined", f"[Z₁ … Z{_below(size['heads'])}]"),
            grid("Woutput", _matrix("O")),
            grid("out", "O"),
        ],
    )


def grid(name: str, heading: str) -> Markup:
    """A place for a matrix, under its name."""
    place = element("div", id=f"grid-{name}")
    return element("div", element("h3", heading), place, class_="matrix")


def _below(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _matrix(name: str) -> Markup:
    return join("W", element("sup", name))


def _three(named: Iterator[tuple[str, Markup | str]], class_: str) -> Markup:
    """Three matrices beside each other."""
    return element("div", *(grid(name, heading) for name, heading in named), class_=class_)


def _scores(own: str) -> Iterator[Markup]:
    """The formula of each score; the script shows that of the chosen one."""
    cosine = fraction(line("q_i · k_j"), line("‖ q_i ‖ × ‖ k_j ‖"))
    yield element("div", math(line("s_ij = q_i · k_j")), said("dot"), data_for="dot")
    yield element(
        "div", math(line("s_ij = c"), cosine), said(f"{own}cosine"), data_for="cosine", hidden=True
    )
    additive = math(line("s_ij = v^⊤ tanh ( W q_i + U k_j )"))
    yield element("div", additive, said(f"{own}additive"), data_for="additive", hidden=True)


def _exponential(name: str) -> Markup:
    return power(line("e"), line(f"{name} ÷ T"))


def _unknown(tokens: list[str]) -> list[Markup]:
    """What the network does not tell apart, if there is any."""
    return [said("unknown", tokens=", ".join(tokens))] if tokens else []


def _sheet() -> Markup:
    score = _either(dot="s = q · k", cosine="s", additive="s")
    divided = _either(divided="r = s ÷ √d", undivided="r = s")
    heads = ("k", score, divided, "e^(r ÷ T)", "A", "v")
    cells = [element("td"), *(element("th", text, scope="col") for text in heads)]
    table = element("table", element("thead", element("tr", *cells)), element("tbody"), id="hand")
    return scrolled(table, "The computation by hand · 手算表")


def _either(**named: str) -> Markup:
    """What stands there under a setting; the script shows one of them."""
    return join(*(element("span", text, data_for=name) for name, text in named.items()))

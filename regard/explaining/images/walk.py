"""The sections on channel attention and CBAM, in the order in which numbers flow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...page import Markup, both, element, join
from ..mathml import fraction, line, math
from ..parts import scrolled
from ..walk import grid
from ..wording import said, title

Section = tuple[str, list[Markup]]


def squeeze(numbers: dict[str, Any]) -> Section:
    """The maps, and the mean of each."""
    _, height, width = numbers["maps"]["shape"]
    total = join(line("Σ_ij x_c"), line("( i , j )"))
    return "squeeze-title", [
        said("squeeze", channels=numbers["channels"], height=height, width=width),
        *_left_out(numbers),
        math(line("z_c ="), fraction(total, line("H W"))),
        element("div", id="maps"),
    ]


def squeeze_excite(numbers: dict[str, Any]) -> Section:
    """The two layers of SE."""
    hidden, channels = numbers["reduce"]["weight"]["shape"]
    return "se-title", [
        math(line("u = W_2 relu ( W_1 z + b_1 ) + b_2")),
        math(*_sigmoid(numbers)),
        said("se", channels=channels, hidden=hidden, top=format(numbers["top"], "g")),
        said("hover-cells"),
        _side(grid("z", "z"), grid("se-reduce", _index("W", 1)), grid("se-hidden", "h"),
              grid("se-expand", join(_index("W", 2), ", b₂")), grid("se-gate", "s")),
    ]  # fmt: skip


def efficient(numbers: dict[str, Any]) -> Section:
    """The taps of ECA."""
    taps, channels = len(numbers["taps"]), len(numbers["gate"])
    ring = numbers["circular"]
    ends = both("the other end" if ring else "zero", "接着另一端" if ring else "是零")
    return "eca-title", [
        math(line(f"u_c = {_slide(taps)}")),
        math(*_sigmoid(numbers)),
        said("eca", taps=taps, others=numbers["others"], ends=ends),
        element("div", said("eca-not", channels=channels, square=channels**2, taps=taps),
                class_="note"),
        _side(grid("eca-taps", "w"), grid("eca-gate", "z → u → s")),
    ]  # fmt: skip


def ranking(names: dict[str, dict[str, Any]]) -> Section:
    """Gates of every kind on this page, the largest first, and what they do to two maps."""
    top = format(max(numbers["top"] for numbers in names.values()), "g")
    each = [
        element(
            "div", element("div", id=f"bars-{name}"),
            element("div", id=f"ends-{name}", class_="ends"),
        )
        for name in names
    ]  # fmt: skip
    return "sorted-title", [said("sorted", top=top), element("div", *each, class_="columns")]


def by_hand(shown: int, names: dict[str, dict[str, Any]]) -> Section:
    """One gate of SE and one of ECA, for any of the channels shown."""
    options = [element("option", str(c + 1), value=c) for c in range(shown)]
    chosen = element("label", title("channel"), element("select", *options, id="channel"))
    parts = [said("hand-channel"), element("p", chosen, class_="choice")]
    if "SE" in names:
        parts += [said("hand-se"), _sheet(), _sum("hand-se-u"), _sum("hand-se-s")]
    if "ECA" in names:
        parts += [said("hand-eca"), _sum("hand-eca-u"), _sum("hand-eca-s")]
    return "hand-channel-title", [*parts, said("rounded-channel")]


def cbam(numbers: dict[str, Any], channels: int) -> Iterator[Section]:
    """Which channels, and where."""
    spatial = numbers["spatial"]
    side = len(spatial["kernels"][0])
    norm = spatial["factor"] != 1 or spatial["shift"] != 0
    both_ways = line("M_c = σ ( MLP ( mean ) + MLP ( max ) )")
    yield "cbam-channel-title", [
        math(both_ways), said("cbam-channel"),
        _side(grid("statistics", "mean, max"), grid("cbam-reduce", _index("W", 1)),
              grid("cbam-hidden", "h"), grid("cbam-expand", join(_index("W", 2), ", b₂")),
              grid("cbam-gate", element("span", "M", element("sub", "c")))),
    ]  # fmt: skip
    yield "cbam-space-title", [
        math(line(f"M_s = σ ( {'BN (' if norm else ''} conv_{side}×{side} ( [ max ; mean ] ) "
                  f"{')' if norm else ''} )")),
        said("cbam-space", channels=channels, side=side, products=2 * side**2),
        said("cbam-norm", factor=spatial["factor"], shift=spatial["shift"]) if norm else Markup(""),
        _side(grid("space-max", "max"), grid("space-mean", "mean"),
              grid("space-gate", element("span", "M", element("sub", "s")))),
        element("figure", element("canvas", id="over", role="img"),
                element("figcaption", title("over-picture"))),
        said("cbam-kernels", side=side),
        _side(*(grid(f"kernel-{name}", name) for name in spatial["order"])),
    ]  # fmt: skip


def _left_out(numbers: dict[str, Any]) -> Iterator[Markup]:
    """Of many channels the first are shown, and of very many maps the first are on the page."""
    channels, carried = numbers["channels"], numbers["maps"]["shape"][0]
    if numbers["shown"] < channels:
        yield said("first-channels", shown=numbers["shown"], channels=channels)
    if carried < channels:
        yield said("first-maps", carried=carried)


def _sigmoid(numbers: dict[str, Any]) -> list[Markup]:
    """s = σ(u), and what σ is."""
    top = numbers["top"]
    factor = [] if top == 1 else [line(format(top, "g"))]
    power = element("msup", line("e"), element("mrow", line("− u")))
    return [line("s ="), *factor, line("σ ( u ) ="), *factor,
            fraction(line("1"), join(line("1 +"), power))]  # fmt: skip


def _slide(taps: int) -> str:
    """The sum over neighbours, its middle left out where it is long."""
    half = (taps - 1) // 2
    places = ["c" if not k else f"c{'−' if k < 0 else '+'}{abs(k)}" for k in range(-half, half + 1)]
    terms = [f"w_{number} z_{place}" for number, place in enumerate(places, 1)]
    return " + ".join(terms if taps < 6 else [terms[0], "…", terms[-1]])


def _sheet() -> Markup:
    return scrolled(element("table", id="hand"), "The computation by hand · 手算表")


def _sum(name: str) -> Markup:
    return element("p", id=name, class_="sum")


def _side(*grids: Markup) -> Markup:
    return element("div", *grids, class_="side")


def _index(name: str, number: int) -> Markup:
    return join(name, element("sub", str(number)))

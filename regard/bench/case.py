"""One case of a benchmark: a mechanism, a shape, a memory format, and what is done with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from .scope import Part

Mode = Literal["inference", "in place", "training"]
Layout = Literal["first", "last", "tokens"]
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question: contenders are timed against each other inside a case.

    Args:
        part: ``modules``, ``networks`` or ``growth``.
        mechanism: as it was asked for, with its options.
        shape: of the input: ``[B, C, *space]`` or ``[B, N, D]``.
        layout: channels ``first`` or ``last`` in memory, or ``tokens``.
        mode: ``inference``, ``training`` (forward and backward), or ``in place``: inference that
            may write over its input, as behind a convolution of a host.
        host: of networks, else empty.
        along: what grows: ``batch``, ``side``, ``channels``, ``length`` or ``width``, else empty.
    """

    part: Part
    mechanism: str
    shape: Shape
    layout: Layout
    mode: Mode
    host: str = ""
    along: str = ""

    @property
    def label(self) -> str:
        """The case in one line."""
        where = f" in {self.host}" if self.host else ""
        layout = "" if self.layout == "tokens" else f" channels {self.layout},"
        return f"{self.mechanism}{where}, {shown(self.shape)},{layout} {self.mode}"

    @property
    def training(self) -> bool:
        """Whether the backward is run too."""
        return self.mode == "training"

    @property
    def grown(self) -> int:
        """The size of what grows."""
        if self.along == "batch":
            return self.shape[0]
        wide = "width" if self.layout == "tokens" else "side"
        return self.shape[-1] if self.along == wide else self.shape[1]

    def facts(self) -> dict[str, Any]:
        """The case as plain data."""
        return {**asdict(self), "shape": list(self.shape)}


def shown(shape: Sequence[int]) -> str:
    """``8×256×56×56``."""
    return "×".join(map(str, shape))

"""What a benchmark is to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from ..comparison.arms import PLAIN, Arm, parse_arms
from ..comparison.plan import device_of
from ..errors import RegardError, nearest

Part = Literal["modules", "networks", "growth"]
PARTS: tuple[Part, ...] = ("modules", "networks", "growth")
DTYPES = ("float32", "bfloat16", "float16", "float64")
OPTIONAL = ("compiled", "timm", "copy", "plain")
_AXES = {3: "BxNxD", 4: "BxCxHxW", 5: "BxCxDxHxW"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is measured, and how long.

    Args:
        mechanisms: such as ``se,cbam(reduction=8)``; see :func:`regard.comparison.arms.parse_arms`.
        parts: of ``modules``, ``networks``, ``growth``; none named means all of them in short:
            networks are not compiled, and what grows is training alone.
        on: the host of the networks, such as ``timm:resnet50``.
        batch: images in a batch of the networks (default: 32).
        size: side of their images in pixels (default: the host's own, else 32).
        shapes: of the modules' inputs, ``(B, C, H, W)`` for maps and ``(B, N, D)`` for tokens; by
            default one of each.
        dtype: ``float32``, ``bfloat16``, ``float16`` or ``float64``.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: of the CPU; by default as many as PyTorch is set to.
        seconds: for each case, beside warming up; a case that is decided ends earlier.
        without: contenders to leave out, of ``compiled``, ``timm``, ``copy``, ``plain``.

    Raises:
        RegardError: for a value that is none of these.
    """

    mechanisms: str = "se,cbam,additive"
    parts: tuple[Part, ...] = ()
    on: str = "small"
    batch: int = 32
    size: int | None = None
    shapes: tuple[tuple[int, ...], ...] = ()
    dtype: str = "float32"
    device: str = "auto"
    threads: int | None = None
    seconds: float = 1.0
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for label, given, known in (
            ("part", self.parts, PARTS),
            ("dtype", (self.dtype,), DTYPES),
            ("contender to leave out", self.without, OPTIONAL),
        ):
            for name in given:
                if name not in known:
                    raise RegardError(f"no {label} is called {name!r}{nearest(name, known)}")
        for shape in self.shapes:
            if len(shape) not in _AXES or min(shape) < 1:
                raise RegardError(f"shape {shape}; {' or '.join(_AXES.values())} would work")
        if not self.seconds > 0:
            raise RegardError(f"seconds={self.seconds:g}; more than 0 would work")
        if self.threads is not None and self.threads < 1:
            raise RegardError(f"threads={self.threads}; 1 or more would work")

    def arms(self) -> tuple[Arm, ...]:
        """The mechanisms with their options.

        Raises:
            RegardError: for an unknown one, or one with sites.
        """
        return tuple(arm for arm in parse_arms(self.mechanisms) if arm.label != PLAIN)

    def asks_for(self, part: Part) -> bool:
        """Whether a part is to be measured."""
        return not self.parts or part in self.parts

    def place(self) -> torch.device:
        """Where it runs.

        Raises:
            RegardError: for a device that is not there.
        """
        return torch.device(device_of(self.device))

    def kind(self) -> torch.dtype:
        """The type of all numbers."""
        found: torch.dtype = getattr(torch, self.dtype)
        return found


def shape_of(text: str) -> tuple[int, ...]:
    """``8x256x56x56`` as numbers.

    Raises:
        RegardError: if it is no such text.
    """
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) not in _AXES or not all(p.isascii() and p.isdigit() and int(p) for p in parts):
        raise RegardError(f"shape {text!r}; {' or '.join(_AXES.values())} would work")
    return tuple(map(int, parts))

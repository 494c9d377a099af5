"""From values to pixels: round ticks that cover the data, and the axis they stand on."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from ..errors import RegardError

_LARGEST = 1e300
_SLACK = Fraction(1, 10**6)  # of a step: far below a pixel, and 0.1 + 0.2 stays at the tick 0.3
_SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_LOG_STEPS: tuple[tuple[tuple[float, ...], int], ...] = (
    ((1, 1.5, 2, 2.5, 3, 4, 5, 6, 8), 1),
    ((1, 2, 5), 1),
    ((1, 3), 1),
    *(((1,), stride) for stride in (1, 2, 3, 5, 10, 20, 50, 100)),
)


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values laid on a range of pixels; call it to place a value.

    Args:
        ticks: increasing values, the first and the last at the two ends; at least two.
        start: pixel of the first tick.
        end: pixel of the last tick; smaller than ``start`` for an axis that points up.
        log: equal distances are equal ratios.
    """

    ticks: tuple[float, ...]
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of a value; inside the ends for a value between the first and last tick."""
        low, high = self.ticks[0], self.ticks[-1]
        if self.log:
            low, high, value = math.log10(low), math.log10(high), math.log10(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def labels(self) -> tuple[str, ...]:
        """The ticks in writing, all different."""
        if self.log:
            return tuple(brief(tick) for tick in self.ticks)
        step = min(right - left for left, right in pairwise(self.ticks))
        return _written(self.ticks, step)


def linear_axis(
    values: Iterable[float], start: float, end: float, whole: bool = False, spacing: float = 64
) -> Axis:
    """An axis that covers the finite ``values``, or [0, 1] where there are none.

    Args:
        values: to be covered; NaN and infinity are left out.
        start, end: pixels.
        whole: ticks at whole numbers only (epochs, seeds).
        spacing: the least distance of ticks in pixels, about.
    """
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    most = max(2, int(abs(end - start) / spacing))
    return Axis(ticks(min(finite), max(finite), most, whole), start, end)


def log_axis(values: Iterable[float], start: float, end: float, spacing: float = 64) -> Axis:
    """The same with ticks at equal ratios, about; covers [1, 10] where nothing is finite.

    Raises:
        RegardError: a value is not positive.
    """
    finite = [value for value in values if math.isfinite(value)] or [1.0, 10.0]
    most = max(2, int(abs(end - start) / spacing))
    return Axis(log_ticks(min(finite), max(finite), most), start, end, log=True)


def ticks(low: float, high: float, most: int = 6, whole: bool = False) -> tuple[float, ...]:
    """Multiples of 1, 2 or 5 times a power of ten, covering [low, high] in at most ``most`` steps.

    A range without extent is widened. At least two ticks come back.

    Raises:
        RegardError: low > high, a bound that is not finite or beyond 1e300, or ``most`` below 2.
    """
    _refuse(low, high, most)
    lower, upper = _widened(low, high)
    exponent = math.floor(math.log10(float(upper - lower) / most)) - 1
    if whole:
        exponent = max(exponent, 0)
    while True:
        for mantissa in (1, 2, 5):
            step = mantissa * Fraction(10) ** exponent
            first = math.floor(lower / step + _SLACK)
            last = max(math.ceil(upper / step - _SLACK), first + 1)
            if last - first <= most:
                return tuple(float(k * step) for k in range(first, last + 1))
        exponent += 1


def log_ticks(low: float, high: float, most: int = 6) -> tuple[float, ...]:
    """Round multiples of powers of ten, in a short range more of them, covering [low, high].

    Raises:
        RegardError: low is not positive, or what ``ticks`` refuses.
    """
    _refuse(low, high, most)
    if low < 1 / _LARGEST:
        raise RegardError(f"a logarithmic axis needs positive values; {low} came")
    if high / low < 1.01:
        low, high = low / 2, high * 2
    chosen: tuple[float, ...] = ()
    for mantissas, stride in _LOG_STEPS:
        chosen = _covering(_candidates(low, high, mantissas, stride), low, high)
        if len(chosen) <= most + 1:
            break
    return chosen


def brief(value: float) -> str:
    """Three digits and a suffix: 1.93, 270k, −2M; very small and very large ones as powers."""
    value = float(f"{value:.3g}")
    size = abs(value)
    if size and not 1e-3 <= size < 1e15:
        return signed(f"{value:.3g}")
    divisor, suffix = next(((d, s) for d, s in _SUFFIXES if size >= d), (1.0, ""))
    return signed(f"{value / divisor:.3g}{suffix}")


def signed(text: str) -> str:
    """With a true minus sign, which is as wide as a plus, and no zeros before an exponent."""
    return re.sub(r"e\+?(-?)0*(?=\d)", r"e\1", text).replace("-", "\N{MINUS SIGN}")


def _candidates(low: float, high: float, mantissas: Sequence[float], stride: int) -> list[float]:
    first = math.floor(math.log10(low) / stride) - 1
    last = math.ceil(math.log10(high) / stride) + 1
    powers = [Fraction(10) ** (stride * k) for k in range(first, last + 1)]
    exact = [Fraction(mantissa) * power for power in powers for mantissa in mantissas]
    return [float(value) for value in exact if value < 10**305]


def _covering(candidates: list[float], low: float, high: float) -> tuple[float, ...]:
    first = max(k for k, value in enumerate(candidates) if value <= low)
    last = min(k for k, value in enumerate(candidates) if value >= high)
    return tuple(candidates[first : last + 1])


def _refuse(low: float, high: float, most: int) -> None:
    if not (-_LARGEST <= low <= high <= _LARGEST):
        raise RegardError(f"an axis from {low} to {high}; finite bounds in order would work")
    if most < 2:
        raise RegardError(f"at most {most} steps on an axis; 2 or more would work")


def _widened(low: float, high: float) -> tuple[Fraction, Fraction]:
    lower, upper, size = Fraction(low), Fraction(high), Fraction(max(abs(low), abs(high)))
    if upper - lower <= size / 10**9 or upper - lower < Fraction(1, 10**300):
        margin = size / 10 if size > Fraction(1, 10**290) else Fraction(1)
        return lower - margin, upper + margin
    return lower, upper


def _written(values: Sequence[float], step: float) -> tuple[str, ...]:
    size = max(abs(value) for value in values)
    if size >= 1e15 or size < 1e-3:
        digits = math.ceil(math.log10(size / step) + 1e-9) + 1
        return tuple(signed(f"{value:.{digits}g}") for value in values)
    large = (pair for pair in _SUFFIXES if size >= 10 * pair[0] or step >= pair[0])
    divisor, suffix = next(large, (1.0, ""))
    decimals = max(0, -math.floor(math.log10(step / divisor) + 1e-9))
    return tuple(
        signed(f"{value / divisor:.{decimals}f}{suffix}" if value or not suffix else "0")
        for value in values
    )

"""Which call gives a softmax, be it by name or written out.

Written out means exp of a logarithm of a softmax (``log_softmax``, or logits less their
``logsumexp``), or exp divided by its own sum.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

_NAMES = {"softmax", "masked_softmax"}
_TOTALS = {"sum", "logsumexp"}
_LESS = {"sub", "sub_", "__sub__"}
_OVER = {"div", "div_", "true_divide", "__truediv__"}
_POWERS = {"exp", "exp_"}


class Softmaxes:
    """What softmaxes are written out with, known as long as it lives."""

    def __init__(self) -> None:
        self._logarithms: Any = WeakTensorKeyDictionary()
        self._powers: Any = WeakTensorKeyDictionary()
        self._totals: Any = WeakTensorKeyDictionary()  # sums, by what they sum

    def made_by(self, name: str, args: tuple[Any, ...], out: Any) -> bool:
        """Whether a call gives a softmax."""
        if name in _NAMES:
            return True
        first, second = (*args[:2], None, None)[:2]
        if not isinstance(first, Tensor) or not isinstance(out, Tensor):
            return False
        if name == "log_softmax" or (name in _LESS and self._total("logsumexp", first, second)):
            self._logarithms[out] = True
        elif name in _TOTALS:
            self._totals[out] = name, ref(first)
        elif name in _POWERS:
            self._powers[out] = True
            return first in self._logarithms
        return name in _OVER and first in self._powers and self._total("sum", first, second)

    def _total(self, name: str, of: Tensor, total: Any) -> bool:
        known = self._totals.get(total) if isinstance(total, Tensor) else None
        return known is not None and known[0] == name and known[1]() is of

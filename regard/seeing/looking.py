"""see: every map of a model's forwards, with two lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from ..maps import Keep
from ..maps.recording import recording
from ..surgery.patterns import At
from .result import Maps


@contextmanager
def see(
    model: nn.Module, keep: Keep | At | None = None, *, gradients: bool = False
) -> Iterator[Maps]:
    """See what any model attends with: ``with regard.see(model) as maps: model(x)``.

    Its calls are watched, whoever wrote it: nothing of it is changed or written again, and its
    outputs differ by rounding at most. Fused attention stays fused; its weights are computed beside
    it, a slab of queries at a time.

    Args:
        model: any module, plugged or not, of any library; not compiled.
        keep: which layers, as for :func:`regard.plug` (``"blocks.*.attn"``), or a
            :class:`regard.maps.Keep`, which also chooses kinds, heads, queries and limits. Default:
            everything; maps longer than 512 summarised, and at most 512 MiB in all.
        gradients: a backward inside the block or after it leaves on each map of weights the
            gradient of what was differentiated, which relevance needs.

    Yields:
        The maps, which fill while the block runs.

    Raises:
        RegardError: for a compiled or scripted model, for flex_attention, and where ``keep`` names
            no layer, or a head or query that is not there. What a model compiles inside itself runs
            plainly meanwhile.
    """
    wanted: Any = Keep() if keep is None else keep
    if not isinstance(wanted, Keep):
        wanted = Keep(at=wanted)
    with recording(model, wanted, gradients=gradients) as found:
        yield Maps(found.maps, type(model).__name__, found)

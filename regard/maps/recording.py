"""record: every map of a running model, in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from types import FunctionType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode

from .compiled import refuse_compiled, uncompiled
from .finding import Map
from .following import Meeting, Trails
from .keeping import Keep
from .places import Places
from .readers import NAMED, READERS, Seen
from .rows import Weights, dense, precise
from .tracks import Tracks

PLAIN = Keep(kinds=("weights", "gate", "theta"), longest=None, most=None)


@contextmanager
def record(model: nn.Module, keep: Keep = PLAIN, *, gradients: bool = False) -> Iterator[list[Map]]:
    """Record the maps of every forward of a model inside the ``with`` block, in order.

    The outputs do not change.

    Args:
        model: any module, run as it is.
        keep: what is kept; by default all weights, gates and thetas, whole.
        gradients: a backward fills ``gradients`` of the weights.

    Raises:
        RegardError: for a compiled or scripted model, or where ``keep`` names no module.
    """
    with recording(model, keep, gradients=gradients) as found:
        yield found.maps


@contextmanager
def recording(
    model: nn.Module, keep: Keep = PLAIN, *, gradients: bool = False
) -> Iterator[Recording]:
    """As :func:`record`; gives the recording itself, which knows what was left out."""
    refuse_compiled(model)
    names = {module: name for name, module in model.named_modules()}
    inside: list[nn.Module] = []
    found = Recording(keep, keep.sites(model), gradients)

    def entered(module: nn.Module, args: Any) -> None:
        if not inside and module in names and module is not model:
            found.tracks.begin(module, args, {})
        inside.append(module)

    enter = register_module_forward_pre_hook(entered)
    leave = register_module_forward_hook(lambda *_: _drop(inside), always_call=True)
    unwatch = register_module_forward_hook(_as_unwatched, with_kwargs=True)
    begin = model.register_forward_pre_hook(found.tracks.begin, with_kwargs=True)
    try:
        with uncompiled(), _Watch(found, names, inside):
            yield found
    finally:
        for hook in (enter, leave, unwatch, begin):
            hook.remove()


class Recording:
    """Maps, kept as ``keep`` says.

    Args:
        keep: what is kept.
        sites: modules inside of which maps are kept; None for all.
        gradients: whether weights get theirs.
    """

    def __init__(self, keep: Keep, sites: frozenset[str] | None, gradients: bool) -> None:
        self.keep = keep
        self.sites = sites
        self.gradients = gradients
        self.maps: list[Map] = []
        self.tracks = Tracks()
        self.left_out = 0  # maps that would have gone beyond ``keep.most``
        self._bytes = 0
        self._calls: dict[tuple[str, str], int] = {}

    def wants(self, site: str) -> bool:
        """Whether maps made at a site are kept."""
        if self.sites is None:
            return True
        parts = site.split(".")
        return any(".".join(parts[:n]) in self.sites for n in range(1, len(parts) + 1))

    @torch.no_grad()
    def take(self, site: str, seen: Seen, out: Any) -> None:
        """Keep one map, as far as it is wanted."""
        if seen.kind not in self.keep.kinds or not self.wants(site):
            return
        call = self._calls.get((site, seen.kind), 0)
        self._calls[site, seen.kind] = call + 1
        most = self.keep.most
        if most is not None and self._bytes >= most:
            self.left_out += 1
            return
        made, pooled = self._values(seen)
        places = self._places(seen) if pooled == (1, 1) else None
        found = Map(site, seen.kind, made, seen.frame, call, pooled, places)
        if most is not None and self._bytes + found.bytes > most:
            self.left_out += 1
            return
        self._bytes += found.bytes
        self.maps.append(found)
        if self.gradients and seen.kind == "weights":
            self._await(found, seen, out)

    def _values(self, seen: Seen) -> tuple[Tensor, tuple[int, int]]:
        if seen.kind != "weights":
            return precise(seen.tensor).cpu().clone(), (1, 1)
        return seen.weights.kept(self.keep)

    def _places(self, seen: Seen) -> Places | None:
        if seen.kind != "weights" or seen.tokens is None or not self.tracks.picture:
            return None
        found = self.tracks.places(seen.weights.shape, seen.tokens)
        return None if found is None else self.keep.part_of(found)

    def _await(self, found: Map, seen: Seen, out: Any) -> None:
        """Let the next backwards leave the gradient of the weights on the map."""

        def keep(weights: Weights) -> None:
            with torch.no_grad():
                found.gradients.append(weights.kept(self.keep)[0])

        origin, to_weights = out if seen.source is None else seen.source, seen.gradient
        if to_weights is not None and origin.requires_grad:
            origin.register_hook(lambda g: keep(to_weights(g)))


class _Watch(TorchFunctionMode):
    def __init__(
        self, found: Recording, names: dict[nn.Module, str], inside: list[nn.Module]
    ) -> None:
        super().__init__()
        self.found = found
        self.names = names
        self.inside = inside
        self.trails = Trails()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        opened = _opened(func)
        if opened is not None:
            with self:
                return opened(*args, **kwargs)
        out = func(*args, **kwargs)
        if self.elsewhere:
            return out
        name = getattr(func, "__name__", "")
        reader = READERS.get(func) or NAMED.get(str(func))
        if reader is not None:
            for seen in reader(out, *args, **kwargs):
                shares = seen.kind == "gate" and self.trails.origin(seen.source) == "softmax"
                self.found.take(self.site, replace(seen, kind="shares") if shares else seen, out)
        else:
            for met in self.trails.follow(name, args, kwargs, out):
                self.found.take(self.site, self._seen(met), out)
            self.found.tracks.follow(func, name, args, kwargs, out)
        return out

    @property
    def elsewhere(self) -> bool:
        """Whether only modules run that are none of the model's."""
        return bool(self.inside) and not any(m in self.names for m in self.inside)

    @property
    def site(self) -> str:
        """The innermost module of the model that is running."""
        return next((s for m in reversed(self.inside) if (s := self.names.get(m, ""))), "")

    def _seen(self, met: Meeting) -> Seen:
        """``nn.MultiheadAttention`` folds heads into the batch where it writes weights out."""
        module = self.inside[-1] if self.inside else None
        heads = module.num_heads if isinstance(module, nn.MultiheadAttention) else None

        def formed(x: Tensor) -> Tensor:
            x = met.form(x)
            return x.unflatten(0, (-1, heads)) if heads and x.dim() == 3 else x

        gradient = (lambda g: dense(formed(g))) if met.kind == "weights" else None
        return Seen(
            met.kind,
            formed(met.source),
            gradient=gradient,
            source=met.source,
            tokens=met.tokens,
        )


@cache
def _opened(func: Any) -> FunctionType | None:
    """A function made of others, without its own question whether somebody watches.

    PyTorch hands such a function over as one call. With that question answered by no, its body
    runs under the mode, and the calls inside of it are seen; nothing of it is written again here.
    """
    ours = str(getattr(func, "__module__", "")).startswith("regard.mechanisms")
    if not (ours or func is F.multi_head_attention_forward) or func.__name__ == "masked_softmax":
        return None
    if "has_torch_function" not in func.__code__.co_names:
        return None
    names = {**func.__globals__, "has_torch_function": lambda _: False}
    made = FunctionType(func.__code__, names, func.__name__, func.__defaults__, func.__closure__)
    made.__kwdefaults__ = func.__kwdefaults__
    return made


def _drop(inside: list[nn.Module]) -> None:
    if inside:
        inside.pop()


def _as_unwatched(module: nn.Module, args: Any, kwargs: Any, _: Any) -> Any:
    """The output that a module has unwatched, where that is another one; None where not.

    Watched, ``nn.TransformerEncoder`` does not take its fused path, which gives zeros where there
    is padding: so there it is run once more.
    """
    if not isinstance(module, nn.TransformerEncoder) or module.training or torch.is_grad_enabled():
        return None
    padding = args[2] if len(args) > 2 else kwargs.get("src_key_padding_mask")
    if padding is None:
        return None
    with torch._C.DisableTorchFunction():
        return module.forward(*args, **kwargs)

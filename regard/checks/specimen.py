"""A mechanism built from its card, and inputs for it.

B batch, C channels, N tokens, D width, h heads. Sizes and shapes are small; numbers are float64.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..cards import Card
from ..catalogue import options_of
from ..errors import RegardError
from .rule import MAPS, Broken

SIZES = (16, 32, 64, 128, 256)
SPACES: dict[int, tuple[int, ...]] = {1: (9,), 2: (7, 5), 3: (3, 5, 4)}
TOKENS = (6,)
HEADS = 2  # of queries that are turned
WIDTH = 4  # of queries and keys whose logits are biased
EXTENTS: dict[int, tuple[tuple[int, ...], ...]] = {
    1: ((1,), (2,), (9,)),
    2: ((1, 1), (1, 7), (2, 2), (5, 3), (12, 9)),
    3: ((1, 1, 1), (2, 3, 4), (5, 4, 3)),
}


@dataclass(frozen=True, slots=True)
class Specimen:
    """One mechanism at one size.

    Args:
        card: of the mechanism.
        size: C or D; of a bias the number of heads.
        dims: spatial dimensions of its maps.
        coarse: a second map has half the resolution of the first.
    """

    card: Card
    size: int
    dims: int
    coarse: bool = False

    def build(self, *, moved: bool = True, training: bool = False, **options: Any) -> nn.Module:
        """The module in float64, from a fixed seed.

        Args:
            moved: move every parameter and statistic away from its start, which may be special.
            training: the mode.
            options: of the constructor, over those of the card.
        """
        torch.manual_seed(0)
        given = {**self.card.options, **options}
        if "dims" in options_of(self.card):
            given["dims"] = self.dims
        module: nn.Module = self.card.module(self.size, **given)
        module = module.to(torch.float64).train(training)
        return move(module) if moved else module

    def inputs(
        self, batch: int = 2, extent: Sequence[int] | None = None, seed: int = 1
    ) -> tuple[Tensor, ...]:
        """What forward is called with: normal numbers of ``extent`` positions."""
        extent = tuple(extent or (SPACES[self.dims] if self.on_maps else TOKENS))
        numbers = torch.Generator().manual_seed(seed)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=numbers, dtype=torch.float64)

        if self.on_maps:
            first = draw(batch, self.size, *extent)
            if self.card.takes != "maps":
                return (first,)
            second = [(n + 1) // 2 for n in extent] if self.coarse else extent
            return first, draw(batch, self.size, *second)
        if self.card.position == "rotate":
            return (draw(batch, HEADS, extent[0], self.size),)
        if self.card.position == "bias":
            return (draw(batch, self.size, extent[0], WIDTH),)
        query = draw(batch, extent[0], self.size)
        if takes_two_sources(self.card):
            return query, draw(batch, extent[-1] + 2, self.size)
        return (query,)

    def extents(self) -> list[tuple[int, ...]]:
        """Shapes of the positions from one to some, odd and even, never square alone."""
        if not self.on_maps:
            return [(1,), (2,), (7,)]
        return list(EXTENTS[self.dims])

    def shape_due(self, *inputs: Tensor) -> list[int]:
        """The shape of the output, given the inputs."""
        batch, *_, last = inputs[0].shape
        if self.card.position == "bias":
            return [*inputs[0].shape[1:3], inputs[-1].shape[2]]
        return [batch, last] if self.card.takes == "pooled" else list(inputs[0].shape)

    def sample(self, out: Tensor, index: int) -> Tensor:
        """The output of one sample of the batch; a bias is one for all."""
        return out if self.card.position == "bias" else out[index : index + 1]

    def backward(self, loss: Tensor) -> None:
        """Run backward. A bias of places alone has no gradient unless it has weights."""
        if self.card.position != "bias" or loss.requires_grad:
            loss.backward()

    @property
    def width_axis(self) -> int:
        """The axis of the inputs that holds the size."""
        return 1 if self.on_maps or self.card.position == "bias" else -1

    @property
    def on_maps(self) -> bool:
        """Whether it takes maps ``[B, C, *space]`` rather than tokens ``[B, N, D]``."""
        return self.card.takes in MAPS


def specimen(card: Card) -> Specimen:
    """The mechanism at the first of some usual sizes that it takes, on images if it can."""
    dims = 2 if 2 in card.dims else card.dims[0]
    for size in SIZES:
        if accepts(card, size):
            return Specimen(card, size, dims, takes_two_resolutions(card, size, dims))
    raise Broken(f"it takes none of the sizes {', '.join(map(str, SIZES))}")


def specimens(card: Card, sizes: Sequence[int]) -> Iterator[Specimen]:
    """The mechanism at every size of the list that it does not refuse, in all its dimensions.

    Where it refuses them all, at the first usual size that it takes.
    """
    for size in [n for n in sizes if accepts(card, n)] or [specimen(card).size]:
        for dims in card.dims if card.takes in MAPS else (1,):
            yield Specimen(card, size, dims, takes_two_resolutions(card, size, dims))


def accepts(card: Card, size: int) -> bool:
    """Whether the constructor takes a size; a RegardError is a proper refusal."""
    try:
        card.module(size, **card.options)
    except RegardError:
        return False
    return True


def takes_two_resolutions(card: Card, size: int, dims: int) -> bool:
    """Whether the second of two maps may be coarser than the first."""
    if card.takes != "maps":
        return False
    found = Specimen(card, size, dims, coarse=True)
    try:
        found.build()(*found.inputs())
    except Exception:  # what is no proper refusal is found by the rule on options
        return False
    return True


def move(module: nn.Module) -> nn.Module:
    """Move parameters by normal numbers of half the usual spread, and statistics by some."""
    numbers = move_parameters(module)
    with torch.no_grad():
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.add_(_noise(buffer, numbers), alpha=0.1)
            elif name.endswith("running_var"):
                buffer.mul_((0.3 * _noise(buffer, numbers)).exp())
    return module


def move_parameters(module: nn.Module) -> torch.Generator:
    """The first half of :func:`move`; the same numbers each time. Gives what drew them."""
    numbers = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in module.parameters():
            outputs = parameter.shape[0] if parameter.dim() > 1 else 1
            fan = max(1, parameter.numel() // max(1, outputs))
            parameter.add_(_noise(parameter, numbers), alpha=0.5 / fan**0.5)
    return numbers


def _noise(like: Tensor, numbers: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=numbers, dtype=torch.float64).to(like)


def arguments(card: Card) -> frozenset[str]:
    """Names of the arguments of forward."""
    return frozenset(_forward(card))


def takes_two_sources(card: Card) -> bool:
    """Whether forward needs a key beside the query."""
    key = _forward(card).get("key")
    required = key is not None and key.default is key.empty
    return required or bool(getattr(card.module, "two_sources", False))


def _forward(card: Card) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(cast(type[nn.Module], card.module).forward).parameters


def calls(subject: Specimen, batch: int = 2) -> list[tuple[Tensor, ...]]:
    """Inputs of every shape that the subject must take; with keys of their own where it can."""
    made = [subject.inputs(batch, extent) for extent in subject.extents()]
    if subject.coarse:
        made += [replace(subject, coarse=False).inputs(batch, n) for n in subject.extents()]
    if "key" in arguments(subject.card):
        wide = subject.inputs(batch, (9,), seed=3)[0]
        made += [(x[0], wide) for x in made]
    return made

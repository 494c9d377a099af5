"""A map's pixels for 1×1 convolutions: any number of dimensions, weights always [out, in, 1, 1]."""

from __future__ import annotations

from torch import Tensor, nn


def column(x: Tensor) -> Tensor:
    """A map ``[B, C, *space]`` as one column of its pixels, ``[B, C, N, 1]``."""
    return x.flatten(2).unsqueeze(3)


def tokens(x: Tensor) -> Tensor:
    """The pixels of a map ``[B, C, *space]``, ``[B, N, C]``.

    They lie one after the other in memory: fused attention falls back to whole matrices otherwise.
    """
    return x.flatten(2).transpose(1, 2).contiguous()


def project(x: Tensor, convolution: nn.Module) -> Tensor:
    """A 1×1 convolution of a map ``[B, C, *space]`` as tokens ``[B, N, out]``."""
    return tokens(convolution(column(x)))


def unproject(x: Tensor, like: Tensor, *layers: nn.Module) -> Tensor:
    """Layers over the pixels of tokens ``[B, N, C]``, as a map shaped like ``like``."""
    out = x.transpose(1, 2).unsqueeze(3)
    for layer in layers:
        out = layer(out)
    return out.reshape(like.shape)


def rows(convolution: nn.Conv2d, batch: int, heads: int = 1) -> Tensor:
    """The weights of a 1×1 convolution as queries or keys for pixels, ``[B, heads, out / h, C]``.

    A softmax over what the convolution gives is then attention, without a map for it in memory.
    """
    return convolution.weight.flatten(1).unflatten(0, (heads, -1)).expand(batch, -1, -1, -1)

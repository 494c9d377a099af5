"""count_macs: multiply-accumulates of one forward.

PyTorch's counter is used and mended where it is blind. Counted 0 without the mending below: fused
attention on the CPU before torch 2.15, ``nn.TransformerEncoderLayer`` and
``nn.MultiheadAttention`` on their fast path (eval and no_grad), ``nn.LSTM`` on the CPU, every
``nn.RNNBase`` on cuDNN, ``nn.Bilinear``, and products with one vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import nn
from torch.utils import flop_counter

from .running import Call, as_found, call_of, forward

Shape = Sequence[int]


def count_macs(model: nn.Module, example: Any) -> int:
    """Multiply-accumulates (MACs; a FLOP count is twice that) of one forward of the example.

    Counted: convolutions (groups divide, dilation does not change it), matrix and vector products,
    bilinear layers (out × in1 × in2 a row), the two products of attention, recurrent layers.
    Attention counts every pair of a query and a key, masked or causal or not; with grouped keys and
    values, by the heads of the queries. Not counted: biases, normalisation, activations, softmax,
    pooling, sampling, look-ups, Fourier transforms, and custom operators without a formula in
    ``torch.utils.flop_counter``.

    Args:
        model: run once in eval mode, and left as found.
        example: a tensor ``x`` for ``model(x)``, a tuple ``t`` for ``model(*t)``, a mapping ``d``
            for ``model(**d)``.

    Raises:
        RegardError: with the model's message, if it cannot be run on the example.
    """
    with as_found(model):
        return macs_of(model, call_of(example))


def macs_of(model: nn.Module, call: Call) -> int:
    """The same for a call; leaves the model in eval mode, and what it changes in its buffers."""
    plain: nn.Module = getattr(model, "_orig_mod", model)  # a compiled model hides its operators
    plain.eval()
    counter = flop_counter.FlopCounterMode(display=False, custom_mapping=_missing_formulas())
    with _no_fast_path(), torch.enable_grad(), counter:
        forward(plain, call)
    return counter.get_total_flops() // 2


@contextmanager
def _no_fast_path() -> Iterator[None]:
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


def _missing_formulas() -> dict[Any, Callable[..., int]]:
    """Formulas, in FLOPs, of the operators that this version of PyTorch has none for."""
    ours: dict[str, Callable[..., int]] = {
        "_scaled_dot_product_flash_attention_for_cpu": attention_flops,
        "_scaled_dot_product_fused_attention_overrideable": attention_flops,
        "mkldnn_rnn_layer": _onednn_layer,
        "_cudnn_rnn": _cudnn_rnn,
        "mv": _vector,
        "addmv": _added_vector,
        "dot": _dot,
        "_trilinear": _bilinear,
    }
    mapping: dict[Any, Callable[..., int]] = {}
    for name, formula in ours.items():
        operator = getattr(torch.ops.aten, name, None)
        if operator is not None and operator not in flop_counter.flop_registry:
            mapping[operator] = formula
    return mapping


def attention_flops(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    """``[b, h, n, d]``, ``[b, g, m, d]``, ``[b, g, m, v]`` → 2·b·h·n·m·(d + v)."""
    return 2 * prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _onednn_layer(x: Shape, input_weight: Shape, state_weight: Shape, *_: Any, **__: Any) -> int:
    """One direction of one layer of an LSTM: both matrices at every step."""
    return 2 * prod(x[:-1]) * (prod(input_weight) + prod(state_weight))


def _cudnn_rnn(x: Shape, weights: Sequence[Shape], *_: Any, **__: Any) -> int:
    """All layers and directions: every matrix at every step; vectors are biases."""
    return 2 * prod(x[:-1]) * sum(prod(weight) for weight in weights if len(weight) == 2)


def _vector(matrix: Shape, vector: Shape, **_: Any) -> int:
    return 2 * prod(matrix)


def _added_vector(start: Shape, matrix: Shape, vector: Shape, **_: Any) -> int:
    return 2 * prod(matrix)


def _dot(left: Shape, right: Shape, **_: Any) -> int:
    return 2 * prod(left)


def _bilinear(first: Shape, weight: Shape, second: Shape, *_: Any, **__: Any) -> int:
    """``[n, i]``, ``[o, i, j]``, ``[n, j]`` → 2·n·o·i·j, as ``nn.Bilinear`` calls it."""
    return 2 * first[0] * prod(weight)

"""What the operations of a traced mechanism are called, and which of six kinds a step is.

An operation that is not listed goes by its own name, so a new mechanism needs no entry here.
"""

from __future__ import annotations

from typing import Any, Literal

Kind = Literal["squeeze", "layers", "modulate", "attend", "warp", "combine", "reorder", "compute"]

_FORMS = (
    "__get__ __getitem__ broadcast_tensors clone contiguous detach expand expand_as expect float "
    "double to type_as flatten for_each formed from_map from_tokens to_map to_tokens movedim "
    "of_one_shape permute reshape repeat split chunk narrow select squeeze unsqueeze swapaxes "
    "transpose unbind unflatten view view_as reshape_as widened matched"
)
_SIZES = (
    "dim size numel stride is_floating_point promote_types ones_like zeros_like full_like "
    "empty_like new_ones new_zeros new_full new_empty _set_grad_enabled"
)
FORMS = frozenset(_FORMS.split())
"""Views, casts and checks: the same numbers in another form, not drawn."""
SIZES_ALONE = frozenset(_SIZES.split())
"""They read a tensor's size or type, not its numbers."""

_KINDS: dict[Kind, str] = {
    "squeeze": "statistics mean amax amin max min var std var_mean norm linalg_vector_norm "
    "logsumexp "
    "avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
    "adaptive_avg_pool3d adaptive_max_pool2d max_pool1d max_pool2d max_pool3d sum",
    "layers": "linear conv1d conv2d conv3d conv_transpose2d batch_norm layer_norm group_norm "
    "rms_norm instance_norm relu gelu silu sigmoid hardsigmoid hardswish tanh elu softmax "
    "masked_softmax softplus normalize dropout",
    "attend": "attend scaled_dot_product_attention multi_head_attention_forward",
    "warp": "warp grid_sample deform_conv sample spread",
    "combine": "cat stack add sub maximum minimum where",
    "reorder": "index_select roll pad unfold fold interpolate resize pixel_shuffle "
    "channel_shuffle gather",
    "modulate": "modulate",
}
KINDS: dict[str, Kind] = {word: kind for kind, words in _KINDS.items() for word in words.split()}

_WORDS = {
    "sigmoid": "σ",
    "batch_norm": "BatchNorm",
    "layer_norm": "LayerNorm",
    "group_norm": "GroupNorm",
    "rms_norm": "RMSNorm",
    "relu": "ReLU",
    "gelu": "GELU",
    "silu": "SiLU",
    "elu": "ELU",
    "amax": "max",
    "amin": "min",
    "linalg_vector_norm": "norm",
    "unfold": "patches",
    "fold": "patches back",
    "roll": "shift around",
    "index_select": "pick",
    "gather": "pick",
    "cat": "concatenate",
    "add": "+",
    "sub": "−",
    "mul": "×",
    "div": "÷",
    "pow": "power",
    "matmul": "matrix product",
    "einsum": "matrix product",
    "bmm": "matrix product",
    "clamp": "clip",
    "warp": "sample the map",
    "masked_fill": "mask",
    "where": "choose",
    "max_pool1d": "max pool",
    "max_pool2d": "max pool",
    "max_pool3d": "max pool",
    "scaled_dot_product_attention": "scaled dot",
    **dict.fromkeys(("gt", "ge", "lt", "le", "eq", "ne"), "compare"),
}
_OPERATORS = {
    "iadd": "add",
    "radd": "add",
    "isub": "sub",
    "rsub": "sub",
    "imul": "mul",
    "rmul": "mul",
    "truediv": "div",
    "rtruediv": "div",
    "itruediv": "div",
    "rdiv": "div",
}
_SIGNS = {"add": "shift", "sub": "shift", "mul": "scale", "div": "scale"}
PRODUCTS = frozenset(("matmul", "einsum", "bmm"))


def plain_name(function: Any) -> str:
    """``add`` for ``add``, ``add_`` and ``__radd__``; ``statistics`` for the package's squeeze."""
    name = str(getattr(function, "__name__", "function"))
    home = str(getattr(function, "__module__", None) or "")
    if name == "squeeze" and home.endswith("ops.squeezing"):
        return "statistics"
    if name in FORMS or name in SIZES_ALONE:
        return name
    name = name.strip("_")
    return _OPERATORS.get(name, name)


def word(name: str, learned: bool, alone: bool) -> str:
    """An operation as it is written in a step.

    Args:
        name: as of :func:`plain_name`.
        learned: a parameter takes part.
        alone: no second tensor takes part that depends on the input.
    """
    if name in _SIGNS and alone:
        return f"{_WORDS[name]} learned" if learned else _SIGNS[name]
    if name in PRODUCTS and alone and learned:
        return "linear"
    return _WORDS.get(name, name.replace("_", " "))

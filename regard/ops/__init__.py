"""The few hot functions that the mechanisms share. Order: layout, squeeze, modulate, warp, attend.

Each function is overridable through ``__torch_function__``: a recorder sees the call without
touching the model, and ``torch.fx`` keeps it as one node. ``reference_x`` defines ``x``.
"""

from .attend import attend, attention_weights
from .layout import expect, from_map, from_tokens, to_map, to_tokens
from .modulate import modulate
from .squeeze import squeeze
from .warp import warp

__all__ = [
    "attend",
    "attention_weights",
    "expect",
    "from_map",
    "from_tokens",
    "modulate",
    "squeeze",
    "to_map",
    "to_tokens",
    "warp",
]

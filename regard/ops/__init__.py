"""The few hot functions that the mechanisms share.

Order: layout, choosing, once, handover, steps, excitation, squeezing, modulation, gating,
warping, attention.

Each function is overridable through ``__torch_function__``: a recorder sees the call without
touching the model, and ``torch.fx`` keeps it as one node. ``reference_x`` defines ``x``.
"""

from .attention import attend, attention_weights
from .choosing import using
from .excitation import Bottleneck, Neighbours, ScaledSigmoid, Window
from .gating import gate
from .handover import overwriting
from .layout import expect, from_map, from_tokens, to_map, to_tokens
from .modulation import modulate
from .squeezing import squeeze
from .steps import Step
from .warping import warp

__all__ = [
    "Bottleneck",
    "Neighbours",
    "ScaledSigmoid",
    "Step",
    "Window",
    "attend",
    "attention_weights",
    "expect",
    "from_map",
    "from_tokens",
    "gate",
    "modulate",
    "overwriting",
    "squeeze",
    "to_map",
    "to_tokens",
    "using",
    "warp",
]

"""What is compiled: a model is refused; what it compiles inside of itself runs plainly."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn

from ..errors import RegardError
from ..surgery.refusals import compiled_in_place


def uncompiled() -> AbstractContextManager[Any]:
    """What a model compiles of itself runs plainly: compiled, it would not be seen.

    PyTorch's compiler takes seconds to import; what was never imported has compiled nothing.
    """
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    return torch.compiler.set_stance("force_eager")


def refuse_compiled(model: nn.Module) -> None:
    """See that nothing of a model is a compiled graph.

    Raises:
        RegardError: for what is, with what to see instead.
    """
    for name, module in model.named_modules():
        if hasattr(module, "_orig_mod") or compiled_in_place(module):
            raise RegardError(
                f"{name or 'the model'} is compiled: what runs inside a compiled graph cannot be "
                "seen.\nSee the model before torch.compile, or the original, which shares its "
                "weights: compiled._orig_mod; after model.compile() a copy.deepcopy made before"
            )
        if isinstance(module, torch.jit.ScriptModule):
            raise RegardError(
                f"{name or 'the model'} is scripted: what runs inside TorchScript cannot be seen.\n"
                "See the model that was scripted"
            )

"""Whether Triton works on a device: it needs a driver, and a C compiler for its launcher."""

from __future__ import annotations

import warnings

import torch


def works(device: torch.device) -> bool:
    """Compile and run the smallest kernel; where that fails, say it and return False."""
    import triton

    if device.type == "cpu" and not triton.knobs.runtime.interpret:
        return False
    try:
        from .kernels.probing import write_one

        found = torch.zeros(1, device=device)
        with torch.cuda.device_of(found):
            write_one[1,](found)
        return bool(found == 1)
    except Exception as error:
        warnings.warn(
            f"regard's Triton kernels cannot run on {device} ({type(error).__name__}: {error}); "
            f"the plain form, which takes more memory, is taken",
            RuntimeWarning,
            stacklevel=2,
        )
        return False

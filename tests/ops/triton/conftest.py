"""Where kernels run: on a GPU, or on the CPU in Triton's interpreter (`test_interpreted.py`)."""

import os

import pytest
import torch

from regard.ops import using


@pytest.fixture(scope="session")
def device():
    if os.environ.get("TRITON_INTERPRET") == "1":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        pytest.skip("no GPU; test_interpreted.py runs this in Triton's interpreter")
    return torch.device("cuda")


@pytest.fixture
def with_kernels(device):
    with using("triton"):
        yield

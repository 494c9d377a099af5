import pytest
from torch.overrides import TorchFunctionMode


class Calls(TorchFunctionMode):
    """Notes every function that is called on tensors."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.seen.append(function)
        return function(*args, **(kwargs or {}))


@pytest.fixture
def calls():
    return Calls()

import pytest
import torch


@pytest.fixture(scope="session")
def moved():
    """A function that fills a module with normal numbers in float64, in eval mode."""

    def fill(module, seed=0):
        numbers = torch.Generator().manual_seed(seed)
        module = module.double().eval()
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=numbers, dtype=torch.float64))
                if name.endswith("running_var"):
                    tensor.abs_().add_(0.1)
        return module

    return fill


@pytest.fixture(scope="session")
def drawn():
    """A function that draws normal numbers in float64."""

    def draw(*shape, seed=1):
        numbers = torch.Generator().manual_seed(seed)
        return torch.randn(shape, generator=numbers, dtype=torch.float64)

    return draw


@pytest.fixture(scope="session")
def count():
    """A function that counts the parameters of a module."""

    def total(module):
        return sum(p.numel() for p in module.parameters())

    return total


@pytest.fixture(scope="session")
def table():
    """Widths of the published parameter tables."""
    return (64, 128, 256, 512, 1024, 2048)

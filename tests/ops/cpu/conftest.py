"""Maps in all layouts, with and without ties, and the rounding that kernels may have."""

import pytest
import torch

from regard.ops import using

EPS = torch.finfo(torch.float32).eps


@pytest.fixture
def with_kernels():
    with using("cpu"):
        yield


@pytest.fixture(scope="session")
def drawn():
    """A float32 map; with ties, as after a ReLU with dead channels."""

    def draw(shape, seed=0, ties=False, last=False):
        numbers = torch.Generator().manual_seed(seed)
        x = torch.randn(shape, generator=numbers)
        if ties:
            alive = torch.rand((*shape[:2], *[1] * (len(shape) - 2)), generator=numbers) > 0.3
            x = x.relu() * alive
        return x.movedim(1, -1).contiguous().movedim(-1, 1) if last else x

    return draw


@pytest.fixture(scope="session")
def assert_as_exact():
    """The error of a kernel is at most twice the plain form's own, and one rounding.

    Errors are root mean squares over several draws: one draw of one number says nothing, for the
    plain form may be exact by chance.
    """

    def check(draws):
        """``draws``: for each, what the kernels gave, the plain form, and float64."""
        for results in zip(*(zip(*draw, strict=True) for draw in draws), strict=True):
            ours = sum((o.double() - t).square().sum() for o, _, t in results).sqrt()
            theirs = sum((p.double() - t).square().sum() for _, p, t in results).sqrt()
            true = sum(t.square().sum() for _, _, t in results).sqrt()
            assert ours <= 2 * theirs + EPS * true
            assert all(o.shape == p.shape for o, p, _ in results)

    return check

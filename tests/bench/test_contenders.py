import pytest
import torch
from torch import nn

from regard.bench.contenders import contender, copy_of
from regard.errors import RegardError


def test_without_an_upstream_gradient_it_is_a_forward_without_gradients():
    x = torch.randn(2, 3)
    found = contender(nn.Linear(3, 4), (x,)).results()
    assert [*found] == ["output"]
    assert not found["output"].requires_grad


def test_with_one_it_gives_every_gradient_by_name_and_leaves_none_behind():
    x, layer = torch.randn(2, 3, requires_grad=True), nn.Linear(3, 4)
    upstream = torch.randn(2, 4)
    made = contender(layer, (x,), upstream)
    found = made.results()
    assert {*found} == {
        "output", "gradient of input 0", "gradient of weight", "gradient of bias"
    }  # fmt: skip
    torch.testing.assert_close(found["gradient of input 0"], upstream @ layer.weight)
    torch.testing.assert_close(found["gradient of bias"], upstream.sum(0))
    made.run()
    assert x.grad is None
    assert layer.weight.grad is None


def test_what_is_not_used_has_no_gradient():
    class Idle(nn.Linear):
        def forward(self, x):
            return 2 * x

    x = torch.randn(1, 3, requires_grad=True)
    found = contender(Idle(3, 3), (x,), torch.ones(1, 3)).results()
    assert {*found} == {"output", "gradient of input 0"}


def test_it_runs_in_its_context():
    entered = []

    class Context:
        def __enter__(self):
            entered.append(1)

        def __exit__(self, *_):
            pass

    contender(nn.Identity(), (torch.ones(1),), around=Context).run()
    assert entered == [1]


def test_the_copy_copies_to_memory_of_its_own():
    x = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last).requires_grad_()
    made = copy_of(x)
    first, second = (made.results()["output"] for _ in range(2))
    assert torch.equal(first, x)
    assert first.stride() == x.stride()
    assert first.data_ptr() == second.data_ptr() != x.data_ptr()


def test_what_returns_no_tensor_is_refused():
    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    with pytest.raises(RegardError, match="returns a tuple"):
        contender(Pair(), (torch.ones(1),)).run()

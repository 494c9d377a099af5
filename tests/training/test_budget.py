import math
from types import MappingProxyType

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from regard.errors import RegardError
from regard.training import Budget
from regard.training.budget import make_optimizer, rate_at


@pytest.mark.parametrize(
    ("given_", "named"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": 1.5}, "epochs is 1.5"),
        ({"batch": -1}, "batch is -1"),
        ({"rate": 0.0}, "rate is 0.0"),
        ({"rate": math.inf}, "rate is inf"),
        ({"rate": math.nan}, "rate is nan"),
        ({"rate": "fast"}, "rate is 'fast'"),
        ({"decay": -0.1}, "decay is -0.1"),
        ({"clip": -1.0}, "clip is -1.0"),
        ({"slow": {"conv": -1.0}}, "slow['conv'] is -1.0"),
    ],
)
def test_a_number_out_of_range_is_named(given_, named):
    with pytest.raises(RegardError) as error:
        Budget(**given_)
    assert named in str(error.value)
    assert "must be" in str(error.value)


def test_any_mapping_of_slow_parts_is_kept():
    assert Budget(slow=MappingProxyType({"shift": 0.1})).slow == {"shift": 0.1}


def groups_of(model, **given_):
    """Parameter name → (decay, factor), and the optimizer's rate."""
    optimizer = make_optimizer(model, Budget(**given_))
    names = {id(p): n for n, p in model.named_parameters()}
    return {
        names[id(p)]: (group["weight_decay"], group["factor"])
        for group in optimizer.param_groups
        for p in group["params"]
    }


def test_decay_is_on_matrices_and_kernels_only():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    found = groups_of(model, decay=0.3)
    assert found == {
        "0.weight": (0.3, 1.0),
        "0.bias": (0.0, 1.0),
        "1.weight": (0.0, 1.0),
        "1.bias": (0.0, 1.0),
        "3.weight": (0.3, 1.0),
        "3.bias": (0.0, 1.0),
    }


def test_slow_parts_multiply():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    found = groups_of(model, slow={"0.": 0.5, "weight": 0.1})
    factors = {name: factor for name, (_, factor) in found.items()}
    assert factors == pytest.approx(
        {"0.weight": 0.05, "0.bias": 0.5, "1.weight": 0.1, "1.bias": 1.0}
    )


def test_frozen_parameters_are_left_and_nothing_to_train_is_an_error():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[0].requires_grad_(False)
    assert set(groups_of(model)) == {"1.weight", "1.bias"}
    with pytest.raises(RegardError, match="Sequential has no parameter that requires a gradient"):
        make_optimizer(model.requires_grad_(False), Budget())


@given(st.floats(0, 1))
def test_the_rate_stays_between_nothing_and_the_highest(share):
    assert 0 <= rate_at(share) <= 1


def test_the_rate_rises_to_the_highest_and_falls_to_nothing():
    shares = torch.linspace(0, 1, 101).tolist()
    rates = [rate_at(share) for share in shares]
    peak = rates.index(max(rates))
    assert shares[peak] == pytest.approx(0.1)
    assert rates[peak] == pytest.approx(1.0)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[0] == rate_at(1.0) == 0.0
    assert rate_at(0.55) == pytest.approx(0.5)

import pytest
import torch

from regard.comparison import Plan
from regard.comparison.plan import device_of
from regard.errors import RegardError
from regard.training import Budget


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seeds": ()}, "seeds are (); give different whole numbers"),
        ({"seeds": (1, 1)}, "seeds are (1, 1)"),
        ({"seeds": (-1,)}, "seeds are (-1,)"),
        ({"seeds": (1.5,)}, "seeds are (1.5,)"),
        ({"seeds": (1 << 32,)}, "seeds are (4294967296,)"),
        ({"delta": 0.0}, "delta is 0 points; it must lie between 0 and 100 points"),
        ({"delta": 1.0}, "delta is 100 points"),
        ({"mechanisms": "cmba"}, "no mechanism is called 'cmba'; nearest: cbam"),
        ({"mechanisms": "none"}, "names no mechanism"),
        ({"controls": "wider"}, "no control is called 'wider'; nearest: widened"),
        ({"controls": "widened", "host": "timm:resnet18"}, "needs the host small"),
        ({"device": "tpu"}, "device is 'tpu'; it can be auto, cpu or cuda"),
    ],
)
def test_what_cannot_be_asked_is_said_at_once(given, said):
    with pytest.raises(RegardError) as error:
        Plan(**given)
    assert said in str(error.value)


def test_the_default_is_a_whole_comparison():
    plan = Plan()
    assert (plan.data, plan.host, plan.budget) == ("digits", "small", Budget())
    assert len(plan.seeds) == 5
    assert plan.mechanisms == "none,se,eca,cbam,spatial_transformer,multihead"


def test_controls_by_default_are_those_that_a_host_can_have():
    assert Plan().control_names() == ("widened",)
    assert Plan(host="timm:resnet18").control_names() == ()
    assert Plan(controls="longer,placebo").control_names() == ("longer", "placebo")
    assert Plan(controls="none").control_names() == ()


@pytest.mark.parametrize("there", [False, True])
def test_auto_is_the_gpu_where_there_is_one(monkeypatch, there):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert device_of("auto") == ("cuda" if there else "cpu")
    assert device_of("cpu") == "cpu"


def test_a_gpu_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RegardError, match="PyTorch finds no GPU here; use --device cpu"):
        Plan(device="cuda")


def test_a_placebo_needs_a_gate():
    with pytest.raises(RegardError, match="none of none,multihead is a gate"):
        Plan(mechanisms="none,multihead", controls="placebo")
    assert Plan(mechanisms="none,multihead,se", controls="placebo").control_names() == ("placebo",)

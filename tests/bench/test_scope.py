import pytest
import torch

from regard.bench.scope import Scope, shape_of
from regard.errors import RegardError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"parts": ("modulse",)}, "nearest: modules"),
        ({"dtype": "float31"}, "nearest: float32"),
        ({"without": ("compile",)}, "nearest: compiled"),
        ({"without": ("ours",)}, "no contender"),
        ({"shapes": ((8, 256),)}, "BxNxD"),
        ({"shapes": ((8, 0, 3),)}, "BxNxD"),
        ({"seconds": 0}, "more than 0"),
        ({"seconds": float("nan")}, "more than 0"),
        ({"threads": 0}, "1 or more"),
    ],
)
def test_what_does_not_work_is_said(given, said):
    with pytest.raises(RegardError, match=said):
        Scope(**given)


def test_a_mechanism_that_is_not_known_is_said():
    with pytest.raises(RegardError, match="nearest: cbam"):
        Scope(mechanisms="cbma").arms()


def test_no_part_named_asks_for_all():
    assert all(Scope().asks_for(part) for part in ("modules", "networks", "growth"))
    assert not Scope(parts=("growth",)).asks_for("modules")


def test_device_and_type():
    scope = Scope(dtype="bfloat16", device="cpu")
    assert scope.kind() is torch.bfloat16
    assert scope.place() == torch.device("cpu")


@pytest.mark.parametrize("text", ["8x256x56x56", "8X256×56x56"])
def test_a_shape_is_read(text):
    assert shape_of(text) == (8, 256, 56, 56)


@pytest.mark.parametrize("text", ["", "8", "8x256", "8xax3", "8x0x3", "1x2x3x4x5x6", "-1x2x3"])
def test_what_is_no_shape_is_said(text):
    with pytest.raises(RegardError, match="would work"):
        shape_of(text)

from functools import partial

import pytest
import torch

from regard.bench.contenders import Contender
from regard.bench.correctness import complaint, difference
from regard.bench.fields import Field, field_of

EPS = torch.finfo(torch.float32).eps
NAMES = ("exact", "plain", "ours")


def field(error, seed=0):
    """Contenders of which ours adds an error to one number."""
    x = torch.randn(1000, generator=torch.Generator().manual_seed(seed))

    def ours(x):
        made = x.clone()
        made[0] += error
        return made

    contenders = {
        "exact": Contender(module=lambda x: x.double(), inputs=(x,)),
        "plain": Contender(module=lambda x: x * (1 + EPS), inputs=(x,)),
        "ours": Contender(module=ours, inputs=(x,)),
    }
    return Field(contenders, {}, (x.clone(),))


def test_what_is_right_has_no_complaint(case, scope):
    assert complaint(partial(field_of, case, scope, NAMES)) == ""


def test_one_wrong_number_of_a_thousand_is_seen():
    assert complaint(lambda seed: field(0.0, seed)) == ""
    assert complaint(lambda seed: field(1e-6, seed)) == ""
    assert "the output is off by" in complaint(lambda seed: field(1e-2, seed))
    assert "the output" in complaint(lambda seed: field(float("nan"), seed))


def test_a_maximum_shared_but_for_rounding_is_no_error_but_two_draws_are():
    assert complaint(lambda seed: field(seed == 0, seed)) == ""
    assert complaint(lambda seed: field(seed != 1, seed)) != ""


def test_a_wrong_kernel_is_seen(case, scope, wrong_kernel):
    assert "the output is off" in complaint(partial(field_of, case, scope, NAMES))


def test_one_that_fails_is_wrong():
    def fail(_):
        raise ZeroDivisionError("oh")

    def build(seed):
        made = field(0.0, seed)
        inputs = made.contenders["ours"].inputs
        made.contenders["ours"] = Contender(module=fail, inputs=inputs)
        return made

    assert complaint(build) == "it fails: ZeroDivisionError: oh"


def results(**tensors):
    return {name.replace("_", " "): torch.tensor(value) for name, value in tensors.items()}


def test_missing_results_and_other_shapes_are_wrong():
    exact = results(output=[1.0, 2.0], gradient_of_x=[1.0])
    part = results(output=[1.0, 2.0])
    assert difference(part, exact, exact, EPS) == "the gradient of x is missing"
    other = results(output=[1.0, 2.0, 3.0], gradient_of_x=[1.0])
    assert "inf" in difference(other, exact, exact, EPS)


def test_a_gradient_made_of_rounding_is_held_against_the_largest():
    exact = results(output=[1.0], gradient_of_a=[1.0], gradient_of_b=[1e-17])
    found = results(output=[1.0], gradient_of_a=[1.0], gradient_of_b=[3e-10])
    assert difference(found, exact, exact, EPS) == ""


@pytest.mark.parametrize(("off", "right"), [(2.0**-9, True), (0.1, False)])
def test_half_precision_is_no_excuse_for_a_tenth(off, right):
    exact = results(output=[1.0])
    precision = torch.finfo(torch.bfloat16).eps
    assert (difference(results(output=[1 + off]), exact, exact, precision) == "") is right

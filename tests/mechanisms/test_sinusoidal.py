import math

import pytest
import torch

import regard
from regard.errors import RegardError


def by_hand(places, dim, variant, base=10000.0):
    """Number by number: the paper's equation, or tensor2tensor's timescales."""
    code = torch.zeros(places, dim, dtype=torch.float64)
    half = dim // 2
    for p in range(places):
        if variant == "paper":
            for j in range(dim):
                angle = p / base ** (2 * (j // 2) / dim)
                code[p, j] = math.cos(angle) if j % 2 else math.sin(angle)
        else:
            step = math.log(base) / max(half - 1, 1)
            for i in range(half):
                angle = p * math.exp(-i * step)
                code[p, i], code[p, half + i] = math.sin(angle), math.cos(angle)
    return code


@pytest.mark.parametrize("variant", ["official", "paper"])
@pytest.mark.parametrize("dim", [1, 2, 5, 8, 16])
def test_it_adds_the_papers_waves_or_those_of_the_code(variant, dim, drawn):
    module, x = regard.get("sinusoidal", dim, variant=variant), drawn(2, 7, dim)
    wanted = x + by_hand(7, dim, variant)
    torch.testing.assert_close(module(x), wanted, rtol=1e-12, atol=1e-12)


def test_the_official_form_is_the_default_and_the_paper_interleaves(drawn):
    x = torch.zeros(1, 3, 4, dtype=torch.float64)
    assert regard.get("sinusoidal", 4)(x)[0, 0].tolist() == [0, 0, 1, 1]
    assert regard.get("sinusoidal", 4, variant="paper")(x)[0, 0].tolist() == [0, 1, 0, 1]


def test_frequencies_of_paper_and_code_differ_by_a_few_percent():
    x = torch.zeros(1, 2, 512, dtype=torch.float64)
    paper = regard.get("sinusoidal", 512, variant="paper")(x)[0, 1, ::2].asin()
    code = regard.get("sinusoidal", 512)(x)[0, 1, :256].asin()
    assert float(((paper - code) / paper).abs().max()) == pytest.approx(0.035, abs=0.001)


@pytest.mark.parametrize("variant", ["official", "paper"])
def test_the_product_of_two_codes_depends_on_their_distance(variant):
    module = regard.get("sinusoidal", 16, variant=variant)
    code = module(torch.zeros(1, 12, 16, dtype=torch.float64))[0]
    products = code @ code.T
    torch.testing.assert_close(products[1:, 1:], products[:-1, :-1])
    assert torch.allclose(products.diag(), torch.full((12,), 8.0, dtype=torch.float64))


def test_low_precision_does_not_blur_far_places():
    module, x = regard.get("sinusoidal", 8), torch.zeros(1, 3000, 8)
    exact = module(x.double())
    assert (module(x.bfloat16()).double() - exact).abs().max() <= 2**-8
    assert (module(x.half()).double() - exact).abs().max() <= 2**-10


def test_offset_goes_on_where_another_part_ended(drawn):
    module, x = regard.get("sinusoidal", 6), drawn(2, 9, 6)
    parts = module(x[:, :4]), module(x[:, 4:], offset=4)
    torch.testing.assert_close(torch.cat(parts, 1), module(x))


def test_a_base_that_gives_no_falling_row_is_an_error():
    with pytest.raises(RegardError, match="base is 1; it must be above 1"):
        regard.get("sinusoidal", 8, base=1)


def in_float32(places, dim):
    """tensor2tensor's order of operations."""
    half = dim // 2
    rates = torch.exp(torch.arange(half).float() * -(math.log(1e4) / max(half - 1, 1)))
    angle = torch.arange(places).float()[:, None] * rates
    return torch.cat([angle.sin(), angle.cos()], 1)


@pytest.mark.parametrize("dim", [24, 512])
def test_far_places_round_as_those_of_the_official_code(dim):
    code = regard.get("sinusoidal", dim)(torch.zeros(1, 2001, dim))[0]
    torch.testing.assert_close(code, in_float32(2001, dim), rtol=0, atol=1e-5)

import pytest
import torch

import regard
from regard.errors import RegardError


def test_each_place_gets_its_row(moved, drawn):
    module, x = moved(regard.get("learned", 3, 5)), drawn(2, 4, 3)
    out = module(x)
    for b in range(2):
        for p in range(4):
            for d in range(3):
                wanted = x[b, p, d].item() + module.weight[p, d].item()
                assert out[b, p, d].item() == pytest.approx(wanted, abs=1e-12)


def test_the_table_has_a_vector_for_each_place(count):
    assert count(regard.get("learned", 512, device="meta")) == 512 * 512
    assert count(regard.get("learned", 768, 1024, device="meta")) == 1024 * 768


def test_only_rows_that_were_used_are_trained(moved, drawn):
    module, x = moved(regard.get("learned", 3, 6)), drawn(2, 2, 3)
    module(x, offset=3).sum().backward()
    used = module.weight.grad.abs().sum(1) > 0
    assert used.tolist() == [False, False, False, True, True, False]
    assert module.weight.grad[3].tolist() == [2, 2, 2]


def test_the_table_starts_as_asked():
    torch.manual_seed(0)
    assert float(regard.get("learned", 64, 512).weight.std()) == pytest.approx(0.1, rel=0.05)
    assert float(regard.get("learned", 64, 512, std=0.02).weight.std()) == pytest.approx(
        0.02, rel=0.05
    )


@pytest.mark.parametrize(("tokens", "offset", "length"), [(6, 0, 6), (2, 4, 6), (1, 40, 41)])
def test_a_place_beyond_the_table_is_an_error_that_says_the_length(tokens, offset, length, drawn):
    module = regard.get("learned", 3, 5).double()
    words = f"vectors for 5 places, 0 to 4; .*build it with length={length} or more"
    with pytest.raises(RegardError, match=words):
        module(drawn(2, tokens, 3), offset)


def test_a_place_before_the_first_is_an_error(drawn):
    with pytest.raises(RegardError, match="from place -1"):
        regard.get("learned", 3, 5).double()(drawn(2, 2, 3), offset=-1)


def test_a_table_without_places_is_an_error():
    with pytest.raises(RegardError, match="length is 0"):
        regard.get("learned", 8, 0)

import pytest
import torch

import regard
from regard.errors import RegardError
from regard.ops import attend

ENDS = {1: [2**-8], 2: [2**-4, 2**-8], 4: [2**-2, 2**-4, 2**-6, 2**-8]}


def by_hand(queries, keys, slopes):
    """The bias pair by pair; the queries are the last of the keys."""
    return torch.tensor(
        [
            [[-m * abs(i + keys - queries - j) for j in range(keys)] for i in range(queries)]
            for m in slopes
        ],
        dtype=torch.float64,
    )


@pytest.mark.parametrize("heads", ENDS)
def test_slopes_of_a_power_of_two_are_a_geometric_row(heads):
    assert list(regard.get("alibi", heads).slopes) == ENDS[heads]


def test_eight_heads_have_the_papers_slopes():
    assert list(regard.get("alibi", 8).slopes) == [2.0**-i for i in range(1, 9)]


def test_other_numbers_of_heads_take_every_second_slope_of_the_next_power():
    three = regard.get("alibi", 3).slopes
    assert list(three) == [2**-4, 2**-8, 2**-2]
    six = regard.get("alibi", 6).slopes
    assert list(six) == [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3]


@pytest.mark.parametrize(("queries", "keys"), [(5, 5), (1, 1), (2, 6), (1, 4)])
def test_it_is_the_distance_times_the_slope(queries, keys, drawn):
    module = regard.get("alibi", 4)
    q, k = drawn(2, 4, queries, 3), drawn(2, 4, keys, 3)
    assert torch.equal(module(q, k), by_hand(queries, keys, ENDS[4]))
    if queries == keys:
        assert torch.equal(module(q), module(q, k))


def test_causal_attention_does_not_tell_paper_from_code(drawn):
    q, k, v = (drawn(2, 4, 6, 3, seed=seed) for seed in (1, 2, 3))
    paper, code = regard.get("alibi", 4)(q), regard.get("alibi", 4, variant="official")(q)
    assert torch.equal(code[:, 0], code[:, 5])
    assert code[0, 3].tolist() == [0, 0.25, 0.5, 0.75, 1, 1.25]
    assert not torch.equal(paper, code)
    one, other = (attend(q, k, v, bias=b, causal=True) for b in (paper, code))
    torch.testing.assert_close(one, other)
    assert not torch.allclose(one, attend(q, k, v, causal=True))


def test_padding_and_bias_go_together(drawn):
    q, k, v = (drawn(2, 4, 6, 3, seed=seed) for seed in (1, 2, 3))
    module, mask = regard.get("alibi", 4), torch.arange(6).expand(2, -1) < 4
    masked = attend(q, k, v, bias=module(q), mask=mask)[:, :, :4]
    alone = attend(*(x[:, :, :4] for x in (q, k, v)), bias=module(q[:, :, :4]))
    torch.testing.assert_close(masked, alone)


def test_queries_of_other_heads_are_an_error(drawn):
    with pytest.raises(RegardError, match="alibi was built for 4 on axis 1; the input has 3"):
        regard.get("alibi", 4)(drawn(2, 3, 5, 2))

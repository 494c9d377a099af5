import math

import pytest
import torch

import regard
from regard.errors import RegardError


def bucket_by_hand(apart, buckets=32, distance=128, bidirectional=True):
    """The bucket of one distance, key minus query."""
    first = 0
    if bidirectional:
        buckets //= 2
        first = buckets if apart > 0 else 0
        apart = abs(apart)
    else:
        apart = max(-apart, 0)
    exact = buckets // 2
    if apart < exact:
        return first + apart
    share = math.log(apart / exact) / math.log(distance / exact)
    return first + min(exact + int(share * (buckets - exact)), buckets - 1)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("queries", "keys"), [(6, 6), (1, 9), (40, 40)])
def test_it_is_the_logit_of_the_bucket(bidirectional, queries, keys, moved, drawn):
    module = moved(regard.get("t5_bias", 2, bidirectional=bidirectional))
    bias = module(drawn(1, 2, queries, 3), drawn(1, 2, keys, 3))
    assert bias.shape == (2, queries, keys)
    for i in range(queries):
        for j in range(keys):
            row = bucket_by_hand(j - i - keys + queries, bidirectional=bidirectional)
            assert torch.equal(bias[:, i, j], module.weight[row])


def test_near_distances_have_a_bucket_each_and_far_ones_share():
    module = regard.get("t5_bias", 1)
    apart = torch.tensor([0, -1, -7, -8, -127, -128, -5000, 1, 7, 8, 128, 5000])
    found = module.bucket(apart).tolist()
    assert found == [0, 1, 7, 8, 15, 15, 15, 17, 23, 24, 31, 31]


def test_a_decoder_uses_all_buckets_for_the_past():
    module = regard.get("t5_bias", 1, bidirectional=False)
    apart = torch.tensor([5, 0, -1, -15, -16, -127, -5000])
    assert module.bucket(apart).tolist() == [0, 0, 1, 15, 16, 31, 31]


@pytest.mark.parametrize("decoder", [False, True])
def test_it_is_that_of_transformers(decoder, moved, drawn):
    why = "transformers, of the extra 'text', has T5's attention"
    t5 = pytest.importorskip("transformers.models.t5.modeling_t5", reason=why)
    config = pytest.importorskip("transformers").T5Config(
        d_model=16, d_kv=4, num_heads=4, is_decoder=decoder
    )
    theirs = t5.T5Attention(config, has_relative_attention_bias=True, layer_idx=0).double()
    ours = moved(regard.get("t5_bias", 4, bidirectional=not decoder))
    theirs.relative_attention_bias.weight.data = ours.weight.data
    x = drawn(1, 4, 300, 4)
    assert torch.equal(ours(x), theirs.compute_bias(300, 300)[0])
    step = theirs.compute_bias(1, 300, past_seen_tokens=299)[0]
    assert torch.equal(ours(x[:, :, -1:], x), step)


def test_the_published_number_of_parameters(count):
    assert count(regard.get("t5_bias", 8, device="meta")) == 256


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"buckets": 31}, "buckets is 31; it must be an even number of at least 4"),
        ({"buckets": 2}, "buckets is 2; it must be an even number of at least 4"),
        ({"buckets": 1, "bidirectional": False}, "buckets is 1; it must be a number of at least 2"),
        ({"distance": 8}, "distance is 8; with 32 buckets it must be above 8"),
        ({"distance": 16, "bidirectional": False}, "with 32 buckets it must be above 16"),
    ],
)
def test_buckets_that_do_not_reach_far_are_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("t5_bias", 8, **given)

"""Masks and causal order of attend."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from regard.errors import RegardError
from regard.ops.attention import attend, attention_weights, reference_attend

SCORES = ("dot", "scaled_dot", "cosine", "bilinear", "additive")
B, HEADS, NQ, NK, D, DV, A = 2, 3, 4, 5, 3, 6, 7
MASKS = {
    "[B, Nk]": ((B, NK), lambda m: m[:, None, None, :]),
    "[B, Nq, Nk]": ((B, NQ, NK), lambda m: m[:, None]),
    "[B, h, Nq, Nk]": ((B, HEADS, NQ, NK), lambda m: m),
    "[B, 1, 1, Nk]": ((B, 1, 1, NK), lambda m: m),
}


def drawn(*shape, seed=0):
    numbers = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=numbers, dtype=torch.float64)


def learned(score, heads=1, dim=D):
    return {
        "cosine": (drawn(heads, 1, 1, seed=4),),
        "bilinear": (drawn(heads, dim, dim, seed=5),),
        "additive": (
            drawn(heads, dim, A, seed=6),
            drawn(heads, dim, A, seed=7),
            drawn(heads, A, seed=8),
        ),
    }.get(score, ())


def sources(heads=None, queries=NQ, keys=NK):
    lead = (B,) if heads is None else (B, heads)
    return (
        drawn(*lead, queries, D, seed=1),
        drawn(*lead, keys, D, seed=2),
        drawn(*lead, keys, DV, seed=3),
    )


def fused(query, key, value, allowed):
    return F.scaled_dot_product_attention(query, key, value, attn_mask=allowed)


@pytest.mark.parametrize("form", MASKS)
def test_masks_of_every_shape_are_those_of_pytorch(form):
    shape, spread = MASKS[form]
    mask = drawn(*shape, seed=10) > -0.5
    mask[..., 0] = True  # PyTorch's own may give NaN for a row without any key
    allowed = spread(mask).expand(B, HEADS, NQ, NK)
    got = attend(*sources(HEADS), mask=mask)
    torch.testing.assert_close(got, fused(*sources(HEADS), allowed), rtol=1e-12, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from([None, HEADS]))
def test_causal_is_aligned_at_the_last_query_and_the_last_key(queries, keys, heads):
    inputs = sources(heads, queries, keys)
    allowed = torch.zeros(queries, keys, dtype=torch.bool)
    for i in range(queries):
        for j in range(keys):
            allowed[i, j] = queries - i <= keys - j
    got = attend(*inputs, causal=True)
    some = allowed.any(-1)
    if some.any():
        wanted = fused(*inputs, allowed | ~some[:, None])
        torch.testing.assert_close(got[..., some, :], wanted[..., some, :])
    assert not got[..., ~some, :].any()
    weights = attention_weights(*inputs[:2], causal=True)
    assert not weights.masked_fill(allowed, 0.0).any()


def test_causal_and_mask_hold_together():
    query, key, value = sources(queries=NK)
    mask = drawn(B, NK, seed=11) > 0
    got = attention_weights(query, key, mask=mask, causal=True) > 0
    wanted = torch.ones(NK, NK, dtype=torch.bool).tril() & mask[:, None, :]
    assert torch.equal(got, wanted)
    out = attend(query, key, value, mask=mask, causal=True)
    torch.testing.assert_close(out, reference_attend(query, key, value, mask=mask, causal=True))


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("biased", [False, True])
def test_a_query_that_may_attend_nowhere_gets_zeros_and_finite_gradients(score, biased):
    leaves = [x.requires_grad_() for x in (*sources(HEADS), *learned(score, HEADS))]
    mask = torch.ones(B, NQ, NK, dtype=torch.bool)
    mask[1] = mask[0, 2] = False
    bias = drawn(NQ, NK, seed=15) if biased else None
    out = attend(*leaves[:3], score, tuple(leaves[3:]), mask=mask, bias=bias)
    assert not out[1].any()
    assert not out[0, :, 2].any()
    assert out[0, :, [0, 1, 3]].all()
    weights = attention_weights(*leaves[:2], score, tuple(leaves[3:]), mask=mask, bias=bias)
    assert not weights[1].any()
    torch.testing.assert_close(weights.sum(-1), mask.any(-1)[:, None].double().expand(B, HEADS, NQ))
    out.square().sum().backward()
    assert all(x.grad.isfinite().all() for x in leaves)
    assert not leaves[0].grad[1].any()


@pytest.mark.parametrize("score", SCORES)
def test_masked_keys_and_values_are_not_read(score):
    query, key, value = sources()
    mask = torch.arange(NK).expand(B, NK) < 3
    key = torch.where(mask[..., None], key, 1e9)
    value = torch.where(mask[..., None], value, 1e9)
    got = attend(query, key, value, score, learned(score), mask=mask)
    wanted = attend(query, key[:, :3], value[:, :3], score, learned(score))
    torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (torch.ones(B, NK), r"a mask is boolean .* got torch.float32 \(2, 5\)"),
        (torch.ones(NK, dtype=torch.bool), r"a mask is boolean .* \(5,\)"),
        (torch.ones(B, 1, NQ, NK, dtype=torch.bool), r"a mask is boolean .* \(2, 1, 4, 5\)"),
        (torch.ones(B, NK + 1, dtype=torch.bool), r"a mask \(2, 6\) does not fit"),
        (torch.ones(B, 1, dtype=torch.bool), r"a mask \(2, 1\) does not fit"),
        (torch.ones(3, NK, dtype=torch.bool), r"a mask \(3, 5\) does not fit"),
        (torch.ones(B, NK, NQ, dtype=torch.bool), r"a mask \(2, 5, 4\) does not fit"),
    ],
)
def test_a_mask_that_does_not_fit_is_an_error(mask, words):
    with pytest.raises(RegardError, match=words):
        attend(*sources(), mask=mask)

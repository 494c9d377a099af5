"""The additive kernel against the plain form, in float64 where exactness is asked."""

import pytest
import torch

from regard.errors import RegardError
from regard.ops import attend, using

# batch, heads (None: without), queries, keys, hidden, value width
SIZES = [(2, None, 17, 33, 9, 5), (1, 2, 1, 3, 1, 1), (2, 3, 3, 1, 2, 40), (1, 2, 33, 17, 3, 3)]
LARGE = [(1, None, 70, 130, 20, 70), (1, 3, 65, 33, 9, 20), (1, 1, 1, 300, 33, 64)]
KINDS = ["none", "causal", "keys", "pairs", "heads and causal"]
DIM = 6


def inputs(sizes, device, scale=1.0, draw=0):
    """Queries, keys, values, W, U and v, in float32."""
    batch, heads, queries, keys, hidden, width = sizes
    numbers = torch.Generator().manual_seed(sum(sizes[2:]) + 1000 * draw)
    outside = (batch,) if heads is None else (batch, heads)
    shapes = [(*outside, queries, DIM), (*outside, keys, DIM), (*outside, keys, width)]
    shapes += [(heads or 1, DIM, hidden), (heads or 1, DIM, hidden), (heads or 1, hidden)]
    drawn = [torch.randn(shape, generator=numbers) for shape in shapes]
    factors = (1, 1, 1, scale / DIM**0.5, scale / DIM**0.5, 2 / hidden**0.5)
    return [(t * f).to(device) for t, f in zip(drawn, factors, strict=True)]


def mask_of(kind, sizes, device):
    """A mask with a sample, or a query, that may attend nowhere; and whether it is causal."""
    batch, heads, queries, keys, *_ = sizes
    outside = {"keys": (batch,), "pairs": (batch, queries)}.get(kind)
    if "heads" in kind:
        outside = (batch, heads, queries) if heads else (batch, queries)
    if outside is None:
        return None, "causal" in kind
    numbers = torch.Generator().manual_seed(77)
    mask = torch.rand((*outside, keys), generator=numbers) > 0.4
    mask[0] = mask[0] & (batch == 1)
    if len(outside) > 1:
        mask[-1, ..., 0, :] = False
    return mask.to(device), "causal" in kind


def run(given, dtype, mask=None, causal=False):
    """Output and gradients, as float64."""
    given = [t.detach().to(dtype).clone().requires_grad_() for t in given]
    out = attend(*given[:3], "additive", tuple(given[3:]), mask=mask, causal=causal)
    places = torch.arange(out.numel(), device=out.device).view(out.shape)
    out.backward(torch.cos(places.double()).to(dtype))
    return [t.double() for t in (out.detach(), *(t.grad for t in given))]


def compare(draws, dtype, mask=None, causal=False):
    """Errors over some draws are at most twice the plain form's in the same type, and one rounding.

    Where a gradient has six numbers, the errors of one draw are luck.
    """
    squares = torch.zeros(3, 7, dtype=torch.float64)
    for draw in draws:
        given = [t.to(dtype) for t in draw]
        with using("triton"):
            ours = run(given, dtype, mask, causal)
        with using("torch"):
            plain, true = run(given, dtype, mask, causal), run(given, torch.float64, mask, causal)
        for i, (found, known, exact) in enumerate(zip(ours, plain, true, strict=True)):
            pairs = (found - exact, known - exact, torch.finfo(dtype).eps * exact)
            squares[:, i] += torch.stack([t.square().sum().cpu() for t in pairs])
            assert found.isfinite().all()
        if mask is not None and mask.dim() == ours[0].dim():
            nowhere = ~mask.any(-1)
            assert not ours[0][nowhere].any()
            assert not ours[1][nowhere].any()
    own, plain_ones, rounding = squares.sqrt()
    assert (own <= 2 * plain_ones + rounding).all()


@pytest.mark.parametrize(
    ("sizes", "kind"), [*zip(SIZES, KINDS, strict=False), (SIZES[0], KINDS[4])]
)
def test_output_and_gradients(device, sizes, kind):
    compare([inputs(sizes, device)], torch.float32, *mask_of(kind, sizes, device))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_halves_are_summed_in_float32(device, dtype):
    compare([inputs(SIZES[3], device)], dtype, *mask_of("pairs", SIZES[3], device))


def test_tanh_far_out_and_near_zero(device):
    """Projections up to some hundreds, whose exponentials overflow; and small ones."""
    for scale in (300.0, 1e-3):
        compare([inputs((1, None, 5, 9, 4, 3), device, scale)], torch.float32)


def test_large_logits(device):
    given = inputs((1, None, 5, 9, 4, 3), device)
    given[5] *= 200
    compare([given], torch.float32)


def test_any_strides(device, with_kernels):
    given = inputs((2, 2, 3, 4, 2, 2), device)
    mask = torch.rand(2, 2, 4, 3, device=device).gt(0.4).transpose(2, 3)
    wide = torch.rand(2, 3, 8, device=device).gt(0.4)[..., ::2]
    turned = [t.transpose(1, 2).contiguous().transpose(1, 2) for t in given[:3]]
    for m in (mask, wide, wide[:, :1], wide[:1]):
        with using("torch"):
            wanted = run(given, torch.float32, m.contiguous())
        for found, known in zip(run([*turned, *given[3:]], torch.float32, m), wanted, strict=True):
            torch.testing.assert_close(found, known, rtol=1e-5, atol=1e-5)


def test_many_slabs_and_shares_give_what_one_gives(device, monkeypatch, with_kernels):
    from regard.ops.triton import attention, slabs

    given = inputs((1, None, 70, 66, 2, 3), device)
    monkeypatch.setattr(attention, "PROGRAMS", 1)
    whole = run(given, torch.float32, causal=True)
    monkeypatch.setattr(attention, "PROGRAMS", 64)
    monkeypatch.setattr(slabs, "PAIRS", 1)
    for found, known in zip(run(given, torch.float32, causal=True), whole, strict=True):
        torch.testing.assert_close(found, known, rtol=1e-4, atol=1e-5)


def test_the_same_bits_again(device, with_kernels):
    given = inputs(SIZES[3], device)
    assert all(map(torch.equal, run(given, torch.float32), run(given, torch.float32)))


def test_nothing_as_large_as_queries_times_keys_is_kept(device, with_kernels):
    given = [t.requires_grad_() for t in inputs((1, None, 96, 96, 1, 1), device)]
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        attend(*given[:3], "additive", tuple(given[3:]))
    assert max(t.numel() for t in kept) <= 96 * DIM


def test_autocast_gives_its_own_type(device, with_kernels):
    given = inputs((1, None, 5, 7, 3, 4), device)
    with torch.autocast(device.type, torch.bfloat16):
        out = attend(*given[:3], "additive", tuple(given[3:]))
    with using("torch"):
        plain = attend(*given[:3], "additive", tuple(given[3:]))
    assert out.dtype is torch.bfloat16
    torch.testing.assert_close(out.float(), plain, rtol=3e-2, atol=3e-2)


def test_nan_and_infinity_keep_their_meaning(device, with_kernels):
    query, *rest = inputs((1, None, 4, 5, 3, 2), device)
    query[0, 0, 0] = float("nan")
    query[0, 1] = float("inf")
    found = attend(query, *rest[:2], "additive", tuple(rest[2:]))
    with using("torch"):
        wanted = attend(query, *rest[:2], "additive", tuple(rest[2:]))
    torch.testing.assert_close(found, wanted, equal_nan=True)


def test_a_second_derivative_is_refused(device, with_kernels):
    query, *rest = inputs((1, None, 1, 2, 1, 1), device)
    out = attend(query.requires_grad_(), *rest[:2], "additive", tuple(rest[2:]))
    with pytest.raises(RegardError, match="attend: the Triton kernel has no second derivative"):
        torch.autograd.grad(out.square().sum(), query, create_graph=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", LARGE, ids=str)
def test_larger_output_and_gradients(device, sizes, kind):
    draws = [inputs(sizes, device, draw=draw) for draw in range(3)]
    compare(draws, torch.float32, *mask_of(kind, sizes, device))


@pytest.mark.gpu
def test_memory_at_four_thousand_tokens(device):
    """The plain form would keep 17 GB."""
    given = [torch.randn(1, 4096, 256, device=device, requires_grad=True) for _ in range(3)]
    eye = torch.eye(256, device=device)[None]
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    attend(*given, "additive", (eye, eye, torch.ones(1, 256, device=device))).sum().backward()
    assert torch.cuda.max_memory_allocated() - before < 200e6
    assert all(t.grad.isfinite().all() for t in given)

import pytest
import torch

from regard.errors import RegardError
from regard.ops import attend, using
from regard.ops.cpu.attention import attended

# heads (None: without), queries, keys, query and key width, hidden, value width
SIZES = [
    (None, 70, 70, 12, 33, 20),
    (None, 1, 200, 7, 130, 64),
    (3, 33, 65, 8, 70, 9),
    (2, 130, 67, 16, 64, 64),
    (None, 5, 3, 4, 8, 1),
]
DRAWS = 24


def inputs(sizes, seed, scale=1.0, batch=2):
    heads, queries, keys, dim, hidden, width = sizes
    numbers = torch.Generator().manual_seed(seed)

    def drawn(*shape):
        return torch.randn(shape, generator=numbers)

    outside = (batch,) if heads is None else (batch, heads)
    sources = (
        drawn(*outside, queries, dim),
        drawn(*outside, keys, dim),
        drawn(*outside, keys, width),
    )
    learned = (
        drawn(heads or 1, dim, hidden),
        drawn(heads or 1, dim, hidden),
        drawn(heads or 1, hidden),
    )
    w, u, v = learned
    return sources, (w * scale / dim**0.5, u * scale / dim**0.5, 2 * v / hidden**0.5)


def mask_of(kind, sizes, seed, batch=2):
    heads, queries, keys, *_ = sizes
    numbers = torch.Generator().manual_seed(seed + 77)
    if kind in ("none", "causal"):
        return None
    outside = (batch,) if kind == "keys" else (batch, queries)
    if kind == "heads" and heads:
        outside = (batch, heads, queries)
    mask = torch.rand((*outside, keys), generator=numbers) > 0.4
    mask[0] = False  # a sample, or all its queries, that may attend nowhere
    return mask


def run(sources, learned, dtype, mask, causal):
    given = [t.detach().to(dtype).clone().requires_grad_() for t in (*sources, *learned)]
    out = attend(*given[:3], "additive", tuple(given[3:]), mask=mask, causal=causal)
    numbers = torch.Generator().manual_seed(5)
    out.backward(torch.randn(out.shape, generator=numbers).to(dtype))
    return [out.detach(), *(t.grad for t in given)]


@pytest.mark.parametrize("kind", ["none", "causal", "keys", "pairs", "heads"])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_output_and_gradients_are_as_exact_as_the_plain_form(scale, sizes, kind, assert_as_exact):
    draws = []
    for seed in range(DRAWS):
        sources, learned = inputs(sizes, seed, scale)
        mask, causal = mask_of(kind, sizes, seed), kind == "causal"
        with using("cpu"):
            ours = run(sources, learned, torch.float32, mask, causal)
        with using("torch"):
            plain = run(sources, learned, torch.float32, mask, causal)
            draws.append((ours, plain, run(sources, learned, torch.float64, mask, causal)))
    assert_as_exact(draws)


def test_a_query_that_may_attend_nowhere_gets_zeros_and_sends_no_gradient(with_kernels):
    sources, learned = inputs(SIZES[0], 0)
    given = [t.requires_grad_() for t in sources]
    mask = torch.ones(2, 70, 70, dtype=torch.bool)
    mask[1, 4] = False
    out = attend(*given, "additive", learned, mask=mask)
    assert torch.equal(out[1, 4], torch.zeros(20))
    out.sum().backward()
    assert torch.equal(given[0].grad[1, 4], torch.zeros(12))
    assert all(t.grad.isfinite().all() for t in given)


def test_numbers_too_large_for_the_exponential_go_the_plain_way(with_kernels):
    sources, learned = inputs(SIZES[0], 0, scale=200.0)
    got = attend(*sources, "additive", learned)
    assert got.isfinite().all()
    with using("torch"):
        assert torch.equal(got, attend(*sources, "additive", learned))
    key, v, open_ = torch.zeros(1, 4, 8), torch.ones(1, 8), {"mask": None, "causal": False}
    for value in (41.0, -41.0, float("nan"), float("inf")):
        assert attended(torch.full((1, 2, 8), value), key, key, v, **open_) is None
    assert attended(torch.full((1, 2, 8), 39.0), key, key, v, **open_) is not None
    assert attended(key[..., :7], key[..., :7], key, v[:, :7], **open_) is None


def test_what_no_kernel_takes_is_plain(with_kernels):
    (query, key, value), learned = inputs(SIZES[0], 0)
    bias = torch.randn(70, 70)
    got = attend(query, key, value, "additive", learned, bias=bias)
    with using("torch"):
        wanted = attend(query, key, value, "additive", learned, bias=bias)
    assert torch.equal(got, wanted)
    with torch.autocast("cpu", torch.bfloat16):
        assert attend(query, key, value, "additive", learned).isfinite().all()


def test_memory_grows_with_the_tokens_and_not_with_their_product(with_kernels):
    """At T = 1024 the plain form would keep T² · d numbers: 134 MB."""
    sources, learned = inputs((None, 1024, 1024, 32, 32, 32), 0, batch=1)
    kept = []
    given = [t.requires_grad_() for t in sources]
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        attend(*given, "additive", learned).sum().backward()
    assert sum(t.numel() for t in kept) < 20 * 1024 * 32
    assert given[0].grad.isfinite().all()


def test_the_same_bits_on_any_number_of_threads(with_kernels):
    sources, learned = inputs(SIZES[3], 0)
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            with torch.no_grad():
                q, k = sources[0] @ learned[0], sources[1] @ learned[1]
            if found:
                q, k = found[0][0], found[0][1]
            q, k = q.detach().requires_grad_(), k.detach().requires_grad_()
            out = attended(q, k, sources[2], learned[2], mask=None, causal=False)
            out.sum().backward()
            found.append((q.detach(), k.detach(), out.detach(), q.grad, k.grad))
    finally:
        torch.set_num_threads(threads)
    assert all(map(torch.equal, found[0], found[1]))
    assert all(map(torch.equal, found[0], found[2]))


def test_a_second_derivative_is_refused(with_kernels):
    sources, learned = inputs(SIZES[0], 0)
    query = sources[0].requires_grad_()
    out = attend(query, *sources[1:], "additive", learned)
    with pytest.raises(RegardError, match="attend: the CPU kernel has no second derivative"):
        torch.autograd.grad(out.square().sum(), query, create_graph=True)

import math

import pytest
import torch

import regard
from regard.errors import RegardError

NAMES = ("aft_full", "aft_simple", "aft_local")


def made(name, dim, **given):
    sizes = {"aft_full": {"length": 7}, "aft_simple": {}, "aft_local": {"length": 7, "window": 2}}
    return regard.get(name, dim, **sizes[name], **given)


def by_hand(query, source, module, name, seen=lambda b, i, j: True):
    """σ(q) times the mean of the values by exp(k + w), feature by feature."""
    mixed = torch.zeros_like(query)
    for b in range(query.shape[0]):
        q, k, v = (
            (x @ layer.weight.T + layer.bias).tolist()
            for x, layer in (
                (query[b], module.query), (source[b], module.key), (source[b], module.value),
            )
        )  # fmt: skip
        for i in range(query.shape[1]):
            keys = [j for j in range(source.shape[1]) if seen(b, i, j)]
            for c in range(query.shape[2]):
                total, mean = 0.0, 0.0
                for j in keys:
                    w = 0.0
                    if name == "aft_full" or (name == "aft_local" and abs(i - j) < module.window):
                        w = module.pairs[i, j].item()
                    total += math.exp(k[j][c] + w)
                    mean += math.exp(k[j][c] + w) * v[j][c]
                if keys:
                    mixed[b, i, c] = mean / total / (1 + math.exp(-q[i][c]))
    return mixed @ module.output.weight.T + module.output.bias


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("keys", [4, 7])
def test_it_is_the_papers_equation(name, keys, moved, drawn):
    module = moved(made(name, 3))
    query, source = drawn(2, 5, 3), drawn(2, keys, 3, seed=2)
    wanted = by_hand(query, source, module, name)
    torch.testing.assert_close(module(query, source), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_masks_and_causal_choose_the_keys_of_the_equation(name, moved, drawn):
    module, x = moved(made(name, 3)), drawn(2, 5, 3)
    wanted = by_hand(x, x, module, name, lambda b, i, j: j <= i)
    torch.testing.assert_close(module(x, causal=True), wanted, rtol=1e-9, atol=1e-9)
    real = torch.tensor([[True, False, True, True, False], [True] * 5])
    wanted = by_hand(x, x, module, name, lambda b, i, j: real[b, j])
    torch.testing.assert_close(module(x, mask=real), wanted, rtol=1e-9, atol=1e-9)
    pairs = drawn(2, 5, 5, seed=3) > -0.3
    pairs[..., 0] = True
    wanted = by_hand(x, x, module, name, lambda b, i, j: pairs[b, i, j] and j <= i)
    torch.testing.assert_close(module(x, mask=pairs, causal=True), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_a_mask_of_pairs_that_all_agree_is_a_mask_of_keys(name, moved, drawn):
    module, x = moved(made(name, 3)), drawn(2, 5, 3)
    mask = torch.tensor([[True, False, True, True, False], [False] * 5])
    pairs = mask[:, None].expand(-1, 5, -1)
    torch.testing.assert_close(module(x, mask=mask), module(x, mask=pairs))
    assert not module(x, mask=mask)[1].any()


@pytest.mark.parametrize("name", NAMES)
def test_large_keys_do_not_overflow(name, moved, drawn):
    module = moved(made(name, 3)).float()
    x = 1e4 * drawn(2, 5, 3).float()
    assert module(x).isfinite().all()
    assert module(x, causal=True).isfinite().all()


def test_without_biases_full_is_simple_and_order_does_not_matter(moved, drawn):
    full, x = moved(made("aft_full", 3)), drawn(2, 5, 3)
    simple, state = made("aft_simple", 3).double(), full.state_dict()
    state.pop("pairs").zero_()
    simple.load_state_dict(state)
    torch.testing.assert_close(full(x), simple(x))
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(simple(x[:, order]), simple(x)[:, order])


def test_a_window_over_all_is_full(moved, drawn):
    full, x = moved(made("aft_full", 3)), drawn(2, 7, 3)
    local = regard.get("aft_local", 3, length=7, window=7).double()
    local.load_state_dict(full.state_dict())
    torch.testing.assert_close(local(x), full(x))


def test_the_numbers_of_parameters(count):
    wanted = 4 * 512**2 + 4 * 512
    assert count(regard.get("aft_simple", 512, device="meta")) == wanted
    assert count(regard.get("aft_full", 512, 49, device="meta")) == wanted + 49**2
    assert count(regard.get("aft_local", 512, 49, device="meta")) == wanted + 49**2


def test_what_it_cannot_do_is_an_error(drawn):
    with pytest.raises(RegardError, match="at most 7 tokens; got 8 queries and 8 keys"):
        made("aft_full", 3).double()(drawn(1, 8, 3))
    for name, given in (
        ("aft_full", {"length": 0}),
        ("aft_local", {"window": 0}),
        ("aft_simple", {"source_dim": 0}),
    ):
        with pytest.raises(RegardError, match=next(iter(given))):
            regard.get(name, 3, **given)

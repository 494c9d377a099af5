import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from regard import RegardError, get
from regard.maps import Keep, record
from regard.maps.rows import SLAB


class Layer(nn.Module):
    def forward(self, q, k, v):
        return F.scaled_dot_product_attention(q, k, v)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([Layer(), Layer()])

    def forward(self, q, k, v):
        return self.layers[1](self.layers[0](q, k, v), k, v)


@pytest.fixture
def tokens():
    torch.manual_seed(0)
    return torch.randn(2, 4, 10, 8), torch.randn(2, 4, 7, 8), torch.randn(2, 4, 7, 8)


def seen(tokens, **keep):
    with record(model := Model(), Keep(**keep)) as found:
        model(*tokens)
    return found


def test_layers_heads_and_queries_can_be_chosen(tokens):
    whole = seen(tokens)
    part = seen(tokens, at="layers.1", heads=(2, -1), queries=(0, 9, -1))
    assert [m.site for m in part] == ["layers.1"]
    wanted = whole[1].values[:, [2, 3]][:, :, [0, 9, 9]]
    torch.testing.assert_close(part[0].values, wanted)


def test_kinds_can_be_chosen():
    with record(module := get("cbam", 16), Keep(kinds=("weights",))) as found:
        module(torch.randn(1, 16, 5, 5))
    assert found == []


def test_long_maps_are_summed_over_keys_and_averaged_over_queries(tokens):
    whole, short = seen(tokens)[0], seen(tokens, longest=4)[0]
    assert short.pooled == (3, 2)
    assert short.values.shape == (2, 4, 4, 4)
    torch.testing.assert_close(short.values.sum(-1), torch.ones(2, 4, 4))
    by_hand = whole.values[:, :, 3:6, 2:4].sum(-1).mean(-1)
    torch.testing.assert_close(short.values[:, :, 1, 1], by_hand)
    last = whole.values[:, :, 9:, 6:].sum(-1).mean(-1)  # groups cut short by the end
    torch.testing.assert_close(short.values[:, :, 3, 3], last)


def test_chosen_queries_are_not_averaged(tokens):
    (found, _) = seen(tokens, longest=4, queries=(1, 2, 3, 4, 5))
    assert found.pooled == (1, 2)
    assert found.values.shape == (2, 4, 5, 4)


def test_what_goes_beyond_the_limit_is_counted_and_left_out(tokens):
    from regard.maps.recording import recording

    one = 2 * 4 * 10 * 7 * 4
    with recording(model := Model(), Keep(most=one)) as found:
        model(*tokens)
    assert (len(found.maps), found.left_out) == (1, 1)


class _Largest(TorchDispatchMode):
    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.numbers = max(self.numbers, out.numel())
        return out


def test_a_long_fused_map_is_never_whole_in_memory():
    n = 6000
    q = torch.randn(1, 1, n, 4)
    model = Layer()
    with _Largest() as largest, record(model, Keep(longest=64)) as found:
        model(q, q, q)
    assert found[0].values.shape == (1, 1, 64, 64)
    assert largest.numbers <= 2 * SLAB < n * n


@pytest.mark.parametrize("score", ["cosine", "additive", "bilinear"])
@pytest.mark.parametrize("causal", [False, True])
def test_slabs_of_our_own_scores_are_the_whole(score, causal, monkeypatch):
    torch.manual_seed(0)
    attention = get("multihead", 8, heads=2, score=score).eval()
    x, mask = torch.randn(2, 6, 8), torch.rand(2, 6, 6) > 0.3
    mask[:, :, 0] = True
    kept = []
    for slab in (SLAB, 1):
        monkeypatch.setattr("regard.maps.rows.SLAB", slab)
        with record(attention) as found:
            attention(x, mask=mask, causal=causal)
        kept.append(found[0].values)
    torch.testing.assert_close(*kept)
    torch.testing.assert_close(kept[1].sum(-1), torch.ones(2, 2, 6))
    assert not kept[1][:, 0][~mask].any()


@pytest.mark.parametrize(
    ("keep", "words"),
    [
        ({"heads": (4,)}, "head 4 was asked for; here are 4"),
        ({"queries": (-11,)}, "query -11 was asked for"),
        ({"at": "layer.*"}, "matches no module"),
    ],
)
def test_what_is_not_there_is_an_error_that_says_what_is(tokens, keep, words):
    with pytest.raises(RegardError, match=words):
        seen(tokens, **keep)


@pytest.mark.parametrize(
    ("keep", "words"),
    [
        ({"kinds": ("wieghts",)}, "nearest: weights"),
        ({"heads": ()}, "heads is empty"),
        ({"longest": 0}, "longest=0"),
        ({"most": 0}, "most=0"),
    ],
)
def test_wishes_that_mean_nothing_are_refused(keep, words):
    with pytest.raises(RegardError, match=words):
        Keep(**keep)

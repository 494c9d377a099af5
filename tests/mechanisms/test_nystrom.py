import pytest
import torch

import regard
from regard.errors import RegardError


def softmax(scores):
    raised = scores.exp()
    return raised / raised.sum(1, keepdim=True)


def inverse(a, start):
    z, one = a.T / start, torch.eye(len(a)).double()
    for _ in range(6):
        z = 0.25 * z @ (13 * one - a @ z @ (15 * one - a @ z @ (7 * one - a @ z)))
    return z


def heads_by_hand(x, module, start=None):
    """The three softmaxes of each sample and head, segments of neighbours, and the convolution."""
    width, m = x.shape[2] // module.heads, module.landmarks
    heads = torch.zeros_like(x)
    for b in range(len(x)):
        q, k, v = (x[b] @ f.weight.T + f.bias for f in (module.query, module.key, module.value))
        for h in range(module.heads):
            part = slice(h * width, (h + 1) * width)
            q_h, k_h, v_h = q[:, part] / width**0.25, k[:, part] / width**0.25, v[:, part]
            q_m = torch.stack([s.mean(0) for s in q_h.chunk(m)])
            k_m = torch.stack([s.mean(0) for s in k_h.chunk(m)])
            a = softmax(q_m @ k_m.T)
            first = start or float(a.sum(0).max().detach()) * float(a.sum(1).max().detach())
            near = softmax(q_h @ k_m.T) @ inverse(a, first) @ softmax(q_m @ k_h.T) @ v_h
            heads[b, :, part] = near + convolved(v_h, module, h)
    return heads


def convolved(v, module, head):
    if module.skip is None:
        return torch.zeros_like(v)
    taps = module.skip.weight[head, 0, :, 0]
    half, out = len(taps) // 2, torch.zeros_like(v)
    for i in range(len(v)):
        for t, tap in enumerate(taps):
            if 0 <= i + t - half < len(v):
                out[i] += tap * v[i + t - half]
    return out


@pytest.mark.parametrize("kernel", [0, 5])
def test_it_is_the_papers_equation(kernel, moved, drawn):
    module = moved(regard.get("nystrom", 6, heads=3, landmarks=2, kernel=kernel))
    x = drawn(2, 8, 6)
    wanted = heads_by_hand(x, module) @ module.output.weight.T + module.output.bias
    torch.testing.assert_close(module(x), wanted, rtol=1e-9, atol=1e-9)


def test_the_official_variant_begins_all_inverses_alike(moved, drawn):
    module = moved(regard.get("nystrom", 6, heads=3, landmarks=4, kernel=3, variant="official"))
    x = drawn(2, 8, 6)
    starts = []
    for b in range(2):
        q, k = (x[b] @ f.weight.T + f.bias for f in (module.query, module.key))
        q, k = (torch.stack([s.mean(0) for s in y.chunk(4)]) for y in (q, k))
        for part in (slice(0, 2), slice(2, 4), slice(4, 6)):
            starts.append(softmax(q[:, part] @ k[:, part].T / 2**0.5).sum(0).max().item())
    wanted = heads_by_hand(x, module, start=max(starts))
    wanted = wanted @ module.output.weight.T + module.output.bias
    torch.testing.assert_close(module(x), wanted, rtol=1e-9, atol=1e-9)
    assert not torch.allclose(module(x[:1]), module(x)[:1])  # why it is not the default


@pytest.mark.parametrize("tokens", [1, 3, 6])
def test_up_to_as_many_tokens_as_landmarks_it_is_exact(tokens, moved, drawn):
    module = moved(regard.get("nystrom", 4, heads=2, landmarks=6, kernel=0))
    plain, x = regard.get("multihead", 4, heads=2, bias=True).double(), drawn(2, tokens, 4)
    plain.load_state_dict(module.state_dict())
    torch.testing.assert_close(module(x), plain(x))


@pytest.mark.parametrize("tokens", [2, 3, 4, 7, 8])
def test_padding_anywhere_changes_nothing(tokens, moved, drawn):
    """Fewer tokens than landmarks, as many, more: each as alone, also beside a longer sample."""
    module = moved(regard.get("nystrom", 4, heads=2, landmarks=3, kernel=3))
    x = torch.full((2, 10, 4), 1e3).double()
    x[0], x[1, 2 : 2 + tokens] = drawn(10, 4), drawn(tokens, 4, seed=2)
    mask = torch.ones(2, 10, dtype=torch.bool)
    mask[1], mask[1, 2 : 2 + tokens] = False, True
    out = module(x, mask=mask)
    torch.testing.assert_close(out[1:, 2 : 2 + tokens], module(x[1:, 2 : 2 + tokens]))
    torch.testing.assert_close(out[:1], module(x[:1]))


def test_uneven_segments_differ_by_one_token(drawn):
    module = regard.get("nystrom", 4, heads=2, landmarks=3)
    for tokens in (4, 5, 7, 100):
        sizes = module._segments(drawn(1, 2, tokens, 2), None)[0].sum(-1).flatten().tolist()
        assert sum(sizes) == tokens
        assert max(sizes) - min(sizes) <= 1


def test_the_number_of_parameters(count):
    assert count(regard.get("nystrom", 512, device="meta")) == 4 * 512**2 + 4 * 512 + 8 * 33
    assert count(regard.get("nystrom", 512, kernel=0, device="meta")) == 4 * 512**2 + 4 * 512


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"landmarks": 0}, "landmarks is 0"),
        ({"kernel": 4}, "kernel is 4; it must be odd, or 0"),
        ({"variant": "exact"}, "variant is 'exact'"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("nystrom", 16, **given)


def test_a_mask_for_each_pair_is_an_error(drawn):
    with pytest.raises(RegardError, match="nystrom makes no score of each query and key"):
        regard.get("nystrom", 8).double()(drawn(2, 5, 8), torch.ones(2, 5, 5, dtype=torch.bool))

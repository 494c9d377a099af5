"""Head summaries, rollout and gradient × attention, against a model with its weights in hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from regard import RegardError, see
from regard.maps import Keep, Map
from regard.seeing import head_max, head_mean, over_picture, over_tokens, relevance, rollout


class Layer(nn.Module):
    """Attention with two heads; ``written`` keeps its weights."""

    def __init__(self, written):
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.written = written

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(2, (3, 2, 4)).permute(2, 0, 3, 1, 4)
        if not self.written:
            out = F.scaled_dot_product_attention(q, k, v)
        else:
            self.weights = torch.softmax(q @ k.transpose(2, 3) / 2, -1)
            self.weights.retain_grad()
            out = self.weights @ v
        return x + out.transpose(1, 2).flatten(2)


def model(written):
    torch.manual_seed(0)
    return nn.Sequential(*(Layer(written) for _ in range(3)), nn.Flatten(), nn.Linear(40, 3))


@pytest.fixture
def x():
    return torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(1))


def test_rollout_is_the_product_of_half_attention_and_half_identity(x):
    plain = model(False)
    with torch.no_grad(), see(plain) as maps:
        plain(x)
    (written := model(True))(x)
    wanted = torch.eye(5)
    for layer in written[:3]:
        wanted = (0.5 * layer.weights.mean(1) + 0.5 * torch.eye(5)) @ wanted
    flow = rollout(maps)
    torch.testing.assert_close(flow, wanted.detach())
    torch.testing.assert_close(flow.sum(-1), torch.ones(2, 5))


def test_another_model_that_runs_meanwhile_is_not_seen(x):
    with see(model(False)) as maps:
        model(True)(x)
    assert len(maps) == 0


def test_without_attention_to_others_rollout_is_the_identity():
    alone = [Map("a", "weights", torch.eye(4).expand(1, 2, 4, 4))] * 3
    torch.testing.assert_close(rollout(alone), torch.eye(4)[None])


def test_relevance_is_chefers_rule_with_gradients_of_autograd(x):
    fused, written = model(False).eval(), model(True).eval()
    with see(fused, gradients=True) as maps:
        fused(x)[:, 1].sum().backward()
    written(x)[:, 1].sum().backward()
    wanted = torch.eye(5).repeat(2, 1, 1)
    for layer in written[:3]:
        step = (layer.weights.grad * layer.weights).clamp(min=0).mean(1)
        wanted = wanted + step @ wanted
    torch.testing.assert_close(relevance(maps), wanted.detach())


def test_relevance_needs_a_backward(x):
    plain = model(False)
    with see(plain, gradients=True) as maps:
        plain(x)
    with pytest.raises(RegardError, match="gradients=True"):
        relevance(maps)


def test_layers_of_different_tokens_or_cut_maps_are_refused(x):
    mixed = [Map(str(n), "weights", torch.ones(1, n, n) / n) for n in (4, 5)]
    with pytest.raises(RegardError, match=r"\[1, …, 4, 4\], \[1, …, 5, 5\]"):
        rollout(mixed)
    plain = model(False)
    with see(plain, Keep(longest=2)) as maps:
        plain(x)
    with pytest.raises(RegardError, match="longest=None"):
        rollout(maps)
    with pytest.raises(RegardError, match="none were seen"):
        rollout([])


def test_heads_in_one():
    values = torch.tensor([[[[0.2, 0.8]], [[0.6, 0.4]]]])
    found = Map("a", "weights", values)
    torch.testing.assert_close(head_mean(found), torch.tensor([[[0.4, 0.6]]]))
    torch.testing.assert_close(head_max(found), torch.tensor([[[0.6, 0.8]]]))
    with pytest.raises(RegardError, match="no heads"):
        head_mean(Map("a", "gate", torch.ones(1, 4, 1, 1)))


def test_a_class_token_s_row_lies_over_the_picture_and_else_the_mean():
    flow = torch.arange(25.0).reshape(1, 5, 5)
    assert over_picture(flow, (8, 8)).tolist() == [[[1, 2], [3, 4]]]
    assert over_picture(flow[:, 1:, 1:], (8, 8)).tolist() == [[[13.5, 14.5], [15.5, 16.5]]]


def test_a_text_is_read_by_its_class_token_or_if_causal_by_its_last():
    flow = torch.arange(9.0).reshape(1, 3, 3) + 1
    nan = float("nan")
    torch.testing.assert_close(over_tokens(flow), torch.tensor([[nan, 2, 3]]), equal_nan=True)
    last = torch.tensor([[7, 8, nan]])
    torch.testing.assert_close(over_tokens(flow.tril()), last, equal_nan=True)

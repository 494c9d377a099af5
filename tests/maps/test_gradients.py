"""The gradient of weights that fused attention never writes out."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from regard.maps import Keep, record


class Fused(nn.Module):
    def forward(self, q, k, v, groups):
        return F.scaled_dot_product_attention(q, k, v, enable_gqa=groups)


class Written(nn.Module):
    def forward(self, q, k, v, groups):
        times = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(times, 1), v.repeat_interleave(times, 1)
        self.weights = torch.softmax(q @ k.transpose(2, 3) / q.shape[-1] ** 0.5, -1)
        self.weights.retain_grad()
        return self.weights @ v


@pytest.mark.parametrize("groups", [False, True])
def test_it_is_that_of_attention_written_out(groups):
    torch.manual_seed(0)
    q = torch.randn(2, 4, 5, 3, requires_grad=True)
    k, v = torch.randn(2, 2, 2 if groups else 4, 6, 3)
    found = {}
    for model in (Fused(), Written()):
        with record(model, Keep(), gradients=True) as maps:
            out = model(q, k, v, groups)
        (out.sin() * torch.arange(3)).sum().backward()
        found[type(model)] = maps[0]
        if isinstance(model, Written):
            torch.testing.assert_close(maps[0].gradient, model.weights.grad)
    torch.testing.assert_close(found[Fused].gradient, found[Written].gradient)
    torch.testing.assert_close(found[Fused].values, found[Written].values)


def test_multi_head_attention_has_it_too_and_chosen_heads_only():
    torch.manual_seed(0)
    attention, x = nn.MultiheadAttention(8, 4, batch_first=True), torch.randn(2, 3, 8)
    gradients = []
    for heads in (None, (1, 3)):
        with record(attention, Keep(heads=heads), gradients=True) as maps:
            out, _ = attention(x, x, x, need_weights=False)
        out.square().sum().backward()
        gradients.append(maps[0].gradient)
    torch.testing.assert_close(gradients[0][:, [1, 3]], gradients[1])


def test_without_a_backward_there_is_none():
    attention, x = nn.MultiheadAttention(8, 4), torch.randn(2, 3, 8)
    with record(attention, gradients=True) as maps:
        attention(x, x, x)
    assert maps[0].gradient is None


@pytest.mark.parametrize("form", ["bij,bjd->bid", "bji,bjd->bid", "ijb,jbd->ibd"])
def test_it_is_there_in_whatever_order_an_einsum_has_the_axes(form):
    torch.manual_seed(0)
    axes = form[:3]
    x = torch.randn([{"b": 2, "i": 5, "j": 6}[a] for a in axes], requires_grad=True)
    v = torch.randn([{"b": 2, "j": 6, "d": 3}[a] for a in form[4:7]])

    class Mixing(nn.Module):
        def forward(self, x):
            self.weights = x.softmax(axes.index("j"))
            self.weights.retain_grad()
            return torch.einsum(form, self.weights, v)

    model = Mixing()
    with record(model, gradients=True) as maps:
        out = model(x)
    out.square().sum().backward()
    order = [axes.index(a) for a in "bij"]
    torch.testing.assert_close(maps[0].values, model.weights.detach().permute(order))
    torch.testing.assert_close(maps[0].gradient, model.weights.grad.permute(order))


def test_multi_head_attention_has_the_same_one_whether_it_gives_its_weights_or_not():
    torch.manual_seed(0)
    attention, x = nn.MultiheadAttention(8, 4, batch_first=True), torch.randn(2, 3, 8)
    gradients = []
    for wanted in (True, False):
        with record(attention, gradients=True) as maps:
            out, _ = attention(x, x, x, need_weights=wanted)
        out.square().sum().backward()
        gradients.append(maps[0].gradient)
    torch.testing.assert_close(*gradients)

"""What flows from source to target, against the two sides taken as one sequence, by hand."""

import pytest
import torch
from torch import nn

from regard import RegardError, see
from regard.maps import Keep, Map
from regard.networks.sequences import LayerSetting, Transformer
from regard.seeing import cross_relevance, cross_rollout

SOURCE, TARGET = torch.tensor([[4, 5, 6, 7]]), torch.tensor([[1, 8, 9]])


class Attention(nn.Module):
    """Two heads; keeps its weights."""

    def __init__(self):
        super().__init__()
        self.q, self.kv = nn.Linear(8, 8), nn.Linear(8, 16)

    def forward(self, x, y, causal=False):
        q = self.q(x).unflatten(2, (2, 4)).transpose(1, 2)
        k, v = self.kv(y).unflatten(2, (2, 2, 4)).permute(2, 0, 3, 1, 4)
        logits = q @ k.mT / 2
        if causal:
            logits = logits.masked_fill(torch.ones(logits.shape[2:]).triu(1).bool(), -1e9)
        self.weights = logits.softmax(-1)
        if self.weights.requires_grad:
            self.weights.retain_grad()
        return x + (self.weights @ v).transpose(1, 2).flatten(2)


class Translator(nn.Module):
    """Two layers of encoder and of decoder; causal or not."""

    def __init__(self, causal=True):
        super().__init__()
        torch.manual_seed(0)
        self.causal = causal
        self.encoder = nn.ModuleList(Attention() for _ in range(2))
        self.own = nn.ModuleList(Attention() for _ in range(2))
        self.between = nn.ModuleList(Attention() for _ in range(2))
        self.head = nn.Linear(8, 5)

    def forward(self, x, y):
        for layer in self.encoder:
            x = layer(x, x)
        for own, between in zip(self.own, self.between, strict=True):
            y = between(own(y, y, self.causal), x)
        return self.head(y)


@pytest.fixture(params=[(4, 3, True), (3, 3, True), (4, 3, False)])
def run(request):
    source, target, causal = request.param
    model = Translator(causal)
    numbers = torch.Generator().manual_seed(1)
    x = torch.randn(2, source, 8, generator=numbers)
    y = torch.randn(2, target, 8, generator=numbers)
    with see(model, gradients=True) as maps:
        model(x, y)[:, -1, 1].sum().backward()
    return model, maps


def blocks(model, weigh):
    """Each layer as a matrix over the tokens of source and target together, ``[B, S+T, S+T]``."""
    source = model.encoder[0].weights.shape[-1]
    size = source + model.own[0].weights.shape[-1]

    def block(attention, rows, columns):
        made = torch.zeros(2, size, size)
        made[:, rows, columns] = weigh(attention)
        return made

    first, second = slice(0, source), slice(source, size)
    made = [(block(layer, first, first), first) for layer in model.encoder]
    for own, between in zip(model.own, model.between, strict=True):
        made += [(block(own, second, second), second), (block(between, second, first), second)]
    return made, first, second


def test_rollout_is_that_of_both_sides_as_one_sequence(run):
    model, maps = run
    made, first, second = blocks(model, lambda a: a.weights.detach().mean(1))
    size = made[0][0].shape[-1]
    flow = torch.eye(size).repeat(2, 1, 1)
    for matrix, rows in made:
        step = torch.eye(size).repeat(2, 1, 1)  # who does not attend keeps what it has
        step[:, rows] = 0.5 * step[:, rows] + 0.5 * matrix[:, rows]
        flow = step @ flow
    torch.testing.assert_close(cross_rollout(maps), flow[:, second, first])
    torch.testing.assert_close(flow.sum(-1), torch.ones(2, size))


def test_relevance_follows_the_equations_with_gradients_of_autograd(run):
    model, maps = run
    made, first, second = blocks(
        model, lambda a: (a.weights.grad * a.weights).clamp(min=0).mean(1).detach()
    )
    size = made[0][0].shape[-1]
    flow = torch.eye(size).repeat(2, 1, 1)
    for matrix, _ in made[:2]:
        flow = flow + matrix @ flow
    others = flow[:, first, first] - torch.eye(first.stop)
    flow[:, first, first] = torch.eye(first.stop) + others / others.sum(-1, keepdim=True)
    for matrix, _ in made[2:]:
        flow = flow + matrix @ flow
    torch.testing.assert_close(cross_relevance(maps), flow[:, second, first])


def test_a_decoder_that_does_not_look_takes_nothing_and_one_that_copies_takes_one_token():
    eye = torch.eye(3)[None, None]
    turned = eye.flip(-1)
    copies = [Map("e", "weights", eye), Map("d", "weights", eye), Map("c", "weights", turned)]
    torch.testing.assert_close(cross_rollout(copies), 0.5 * turned[0])
    torch.testing.assert_close(cross_rollout(copies, residual=1.0), torch.zeros(1, 3, 3))


@pytest.mark.parametrize("kind", ["torch", "ours"])
def test_transformers_of_pytorch_and_of_this_package_are_told_apart_by_themselves(kind):
    torch.manual_seed(0)
    if kind == "torch":
        model = nn.Transformer(8, 2, 2, 2, 16, batch_first=True).eval()
        x, y = torch.randn(1, 4, 8), torch.randn(1, 4, 8)
        mask = nn.Transformer.generate_square_subsequent_mask(4)
        with torch.no_grad(), see(model) as maps:
            model(x, y, tgt_mask=mask)
        wanted = (1, 4, 4)
    else:
        model = Transformer(12, setting=LayerSetting(dim=8, heads=2, hidden=16), layers=2).eval()
        with torch.no_grad(), see(model) as maps:
            model(SOURCE, TARGET)
        wanted = (1, 3, 4)
    flow = cross_rollout(maps)
    assert flow.shape == wanted
    assert (flow > 0).all()
    assert (flow.sum(-1) < 1).all()


def test_what_is_no_encoder_decoder_or_was_run_in_steps_is_told(run):
    model, maps = run
    for wrong in ([], list(maps)[:2], list(maps)[:-1], [maps[-1], maps[-1]]):
        with pytest.raises(RegardError, match="one forward of an encoder-decoder"):
            cross_rollout(wrong)
    with see(model, Keep(longest=2)) as short:
        model(torch.randn(1, 4, 8), torch.randn(1, 3, 8))
    with pytest.raises(RegardError, match="longest=None"):
        cross_rollout(short)
    with see(model) as unasked:
        model(torch.randn(1, 4, 8), torch.randn(1, 3, 8))
    with pytest.raises(RegardError, match="gradients=True"):
        cross_relevance(unasked)

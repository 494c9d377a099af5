import math

import pytest
import torch

import regard
from regard.errors import RegardError

FUNCTIONS = ("embedded", "gaussian", "dot", "concatenation")


def affine(layer, pixel):
    """A 1×1 convolution at one pixel, number by number."""
    rows, biases = layer.weight.flatten(1).tolist(), layer.bias.tolist()
    return [b + inner(row, pixel) for row, b in zip(rows, biases, strict=True)]


def inner(a, b):
    return math.fsum(p * q for p, q in zip(a, b, strict=True))


def pixels(sample):
    return sample.flatten(1).T.tolist()


def pooled(sample):
    """The largest of every whole 2×2 cell of one sample [C, H, W]."""
    channels, height, width = sample.shape
    out = torch.empty(channels, height // 2, width // 2, dtype=sample.dtype)
    for i in range(height // 2):
        for j in range(width // 2):
            cell = sample[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            out[:, i, j] = torch.stack([c.max() for c in cell])
    return out


def weights_by_hand(pixel, keys, module, scale):
    """f(x_i, x_j) / C(x) for one pixel and all keys, equations 2 to 5."""
    if module.pairwise == "gaussian":
        raised = [math.exp(inner(pixel, k)) for k in keys]
        return [r / sum(raised) for r in raised]
    query = affine(module.query, pixel)
    embedded = [affine(module.key, k) for k in keys]
    if module.pairwise == "embedded":
        raised = [math.exp(scale * inner(query, k)) for k in embedded]
        return [r / sum(raised) for r in raised]
    if module.pairwise == "dot":
        return [inner(query, k) / len(keys) for k in embedded]
    w = module.pair.weight.flatten().tolist()
    return [max(0.0, inner(w, query + k)) / len(keys) for k in embedded]


def by_hand(x, module, scale):
    out = torch.empty_like(x)
    norm = module.norm
    for n, sample in enumerate(x):
        keys = pixels(pooled(sample) if module.subsample else sample)
        values = [affine(module.value, k) for k in keys]
        for i, pixel in enumerate(pixels(sample)):
            weights = weights_by_hand(pixel, keys, module, scale)
            gathered = [inner(weights, column) for column in zip(*values, strict=True)]
            for c, z in enumerate(affine(module.output, gathered)):
                spread = math.sqrt(norm.running_var[c].item() + 1e-5)
                scaled = norm.weight[c].item() * (z - norm.running_mean[c].item()) / spread
                out[n, c].view(-1)[i] = scaled + norm.bias[c].item() + pixel[c]
    return out


@pytest.mark.parametrize("subsample", [True, False])
@pytest.mark.parametrize("pairwise", FUNCTIONS)
def test_it_is_the_papers_equation(pairwise, subsample, moved, drawn):
    given = {"pairwise": pairwise, "subsample": subsample, "variant": "paper"}
    module, x = moved(regard.get("non_local", 4, **given)), drawn(2, 4, 5, 3)
    torch.testing.assert_close(module(x), by_hand(x, module, 1.0), rtol=1e-9, atol=1e-9)


def test_the_official_code_divides_the_embedded_logits_by_the_root_of_their_width(moved, drawn):
    module, x = moved(regard.get("non_local", 6)), drawn(2, 6, 5, 3)
    wanted = by_hand(x, module, 1 / math.sqrt(3))
    torch.testing.assert_close(module(x), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("pairwise", ["gaussian", "dot", "concatenation"])
def test_the_other_functions_have_one_form(pairwise, moved, drawn):
    official = moved(regard.get("non_local", 4, pairwise=pairwise))
    paper = moved(regard.get("non_local", 4, pairwise=pairwise, variant="paper"))
    x = drawn(2, 4, 4, 4)
    assert torch.equal(official(x), paper(x))


def test_the_published_numbers_of_parameters(count):
    made = [count(regard.get("non_local", c, device="meta")) for c in (256, 512, 1024)]
    assert made == [132224, 526592, 2101760]
    for c in (64, 128, 2048):
        assert count(regard.get("non_local", c, device="meta")) == 2 * c * c + 9 * c // 2


def test_the_functions_differ_by_their_parameters(count):
    embedded = count(regard.get("non_local", 64))
    assert count(regard.get("non_local", 64, pairwise="dot")) == embedded
    assert count(regard.get("non_local", 64, pairwise="concatenation")) == embedded + 2 * 32
    assert count(regard.get("non_local", 64, pairwise="gaussian")) == embedded - 2 * (64 + 1) * 32


@pytest.mark.parametrize("pairwise", FUNCTIONS)
def test_it_begins_as_the_identity_in_both_modes(pairwise, drawn):
    x = drawn(2, 8, 5, 4)
    for training in (False, True):
        module = regard.get("non_local", 8, pairwise=pairwise).double().train(training)
        assert torch.equal(module(x), x)


def test_the_start_is_that_of_the_official_code():
    torch.manual_seed(0)
    module = regard.get("non_local", 256)
    for layer in (module.query, module.key, module.value, module.output):
        assert abs(layer.weight.std().item() - 0.01) < 3e-4
        assert not layer.bias.any()
    assert (module.norm.eps, module.norm.momentum) == (1e-5, 0.1)


@pytest.mark.parametrize("pairwise", FUNCTIONS)
def test_without_pooling_another_order_of_pixels_is_followed(pairwise, moved, drawn):
    module = moved(regard.get("non_local", 4, pairwise=pairwise, subsample=False))
    x, order = drawn(2, 4, 6), torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[..., order]), module(x)[..., order])


def test_time_is_not_pooled(moved, drawn):
    module, x = moved(regard.get("non_local", 4)), drawn(2, 4, 3, 4, 5)
    frames = torch.stack([pooled(f) for f in x.transpose(1, 2).flatten(0, 1)])
    keys = frames.unflatten(0, (2, 3)).transpose(1, 2).flatten(2)
    alone = moved(regard.get("non_local", 4, subsample=False))
    alone.load_state_dict(module.state_dict())
    logits = alone.query(x.flatten(2).unsqueeze(3)).squeeze(3).transpose(1, 2) @ alone.key(
        keys.unsqueeze(3)
    ).squeeze(3)
    weights = (logits / math.sqrt(2)).softmax(-1)
    gathered = alone.value(keys.unsqueeze(3)).squeeze(3) @ weights.transpose(1, 2)
    wanted = alone.norm(alone.output(gathered.unsqueeze(3))).reshape(x.shape) + x
    torch.testing.assert_close(module(x), wanted)
    assert module(x[:0]).shape == (0, 4, 3, 4, 5)


def test_what_cannot_be_built_is_an_error():
    with pytest.raises(RegardError, match="no pairwise function is called 'gausian'; nearest: ga"):
        regard.get("non_local", 64, pairwise="gausian")
    with pytest.raises(RegardError, match="reduction is 0"):
        regard.get("non_local", 64, reduction=0)

import math

import pytest
import torch

import regard
from regard.errors import RegardError


def sigmoid(logit):
    return 1 / (1 + math.exp(-logit))


def channel_gate_by_hand(x, half):
    """σ(MLP(mean) + MLP(max)) of one sample [C, H, W], number by number."""
    w1, b1 = half.reduce.weight.tolist(), half.reduce.bias.tolist()
    w2, b2 = half.expand.weight.tolist(), half.expand.bias.tolist()

    def perceptron(z):
        hidden = [
            max(0.0, b + sum(w * v for w, v in zip(row, z, strict=True)))
            for row, b in zip(w1, b1, strict=True)
        ]
        return [
            b + sum(w * h for w, h in zip(row, hidden, strict=True))
            for row, b in zip(w2, b2, strict=True)
        ]

    means = perceptron([math.fsum(c.flatten().tolist()) / c.numel() for c in x])
    tops = perceptron([max(c.flatten().tolist()) for c in x])
    return [sigmoid(m + t) for m, t in zip(means, tops, strict=True)]


def spatial_gate_by_hand(x, half, order):
    """σ of a padded convolution over two planes of one sample [C, H, W], place by place."""
    channels, height, width = x.shape
    planes = {
        "max": lambda i, j: max(x[:, i, j].tolist()),
        "mean": lambda i, j: math.fsum(x[:, i, j].tolist()) / channels,
    }
    kernel = half.conv.weight[0].tolist()
    reach = len(kernel[0]) // 2
    gate = torch.empty(height, width, dtype=x.dtype)
    for i in range(height):
        for j in range(width):
            total = 0.0
            for plane, weights in zip(order, kernel, strict=True):
                for di in range(-reach, reach + 1):
                    for dj in range(-reach, reach + 1):
                        if 0 <= i + di < height and 0 <= j + dj < width:
                            tap = weights[di + reach][dj + reach]
                            total += tap * planes[plane](i + di, j + dj)
            gate[i, j] = sigmoid(normalised(total, half.norm))
    return gate


def normalised(value, norm):
    if not isinstance(norm, torch.nn.BatchNorm2d):
        return value
    spread = math.sqrt(norm.running_var.item() + 1e-5)
    return norm.weight.item() * (value - norm.running_mean.item()) / spread + norm.bias.item()


@pytest.mark.parametrize(
    ("variant", "order"), [("official", ("max", "mean")), ("paper", ("mean", "max"))]
)
@pytest.mark.parametrize("kernel_size", [3, 7])
def test_it_is_the_papers_equation(variant, order, kernel_size, moved, drawn):
    module = moved(regard.get("cbam", 4, 2, kernel_size, variant=variant))
    x = drawn(2, 4, 5, 3)
    out = torch.empty_like(x)
    for n, sample in enumerate(x):
        gates = torch.tensor(channel_gate_by_hand(sample, module.channel), dtype=x.dtype)
        refined = sample * gates[:, None, None]
        out[n] = refined * spatial_gate_by_hand(refined, module.spatial, order)
    torch.testing.assert_close(module(x), out, rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    made = [count(regard.get("cbam", c, device="meta")) for c in table]
    assert made == [680, 2284, 8564, 33412, 132260, 526564]
    made = [count(regard.get("cbam_channel", c, device="meta")) for c in table]
    assert made == [580, 2184, 8464, 33312, 132160, 526464]
    assert count(regard.get("cbam_spatial", 64)) == 100
    assert count(regard.get("cbam_spatial", 64, variant="paper")) == 98


@pytest.mark.parametrize(("dims", "due"), [(1, 2 * 7 + 2), (2, 2 * 49 + 2), (3, 2 * 343 + 2)])
def test_the_spatial_half_in_other_dimensions(dims, due, count):
    assert count(regard.get("cbam_spatial", dims=dims)) == due


def test_the_official_spatial_gate_begins_at_one_half(drawn):
    x = drawn(2, 8, 5, 6)
    for training in (False, True):
        module = regard.get("cbam", 8).double().train(training)
        assert torch.equal(module(x), 0.5 * module.channel(x))
        assert torch.equal(module.spatial(x), 0.5 * x)


def test_it_is_its_halves_one_after_the_other(moved, drawn):
    whole, x = moved(regard.get("cbam", 8)), drawn(2, 8, 5, 6)
    channel, spatial = regard.get("cbam_channel", 8), regard.get("cbam_spatial", 8)
    channel.double().load_state_dict(whole.channel.state_dict())
    spatial.double().eval().load_state_dict(whole.spatial.state_dict())
    torch.testing.assert_close(whole(x), spatial(channel(x)))


def test_the_variants_differ_by_the_order_of_planes_and_the_normalisation(moved, drawn):
    official = moved(regard.get("cbam_spatial", variant="official"))
    paper, x = moved(regard.get("cbam_spatial", variant="paper")), drawn(2, 8, 5, 6)
    official.norm.weight.data.fill_(1)
    official.norm.bias.data.fill_(0)
    official.norm.running_mean.fill_(0)
    official.norm.running_var.fill_(1 - 1e-5)
    paper.conv.weight.data = official.conv.weight.data.flip(1)
    torch.testing.assert_close(paper(x), official(x))


def test_the_normalisation_is_that_of_the_official_code(drawn):
    module = regard.get("cbam_spatial").double()
    assert (module.norm.eps, module.norm.momentum) == (1e-5, 0.01)
    module.train()(drawn(4, 8, 5, 6))
    assert module.norm.running_var.item() != 1.0
    before = module.norm.running_var.clone()
    module.eval()(drawn(4, 8, 5, 6))
    assert torch.equal(module.norm.running_var, before)


def test_a_line_and_a_volume_agree_with_a_map_of_one_row(moved, drawn):
    x = drawn(2, 4, 9)
    line = moved(regard.get("cbam", 4, dims=1, kernel_size=3))
    flat = moved(regard.get("cbam", 4, dims=2, kernel_size=3))
    state = {n: t for n, t in line.state_dict().items() if n != "spatial.conv.weight"}
    flat.load_state_dict(state, strict=False)
    flat.spatial.conv.weight.data.zero_()[..., 1, :] = line.spatial.conv.weight.data
    torch.testing.assert_close(flat(x.unsqueeze(2)).squeeze(2), line(x))


@pytest.mark.parametrize("given", [{"kernel_size": 4}, {"kernel_size": 0}, {"dims": 4}])
def test_what_cannot_be_built_is_an_error(given):
    with pytest.raises(RegardError, match=next(iter(given))):
        regard.get("cbam", 64, **given)


@pytest.mark.parametrize("name", ["cbam", "cbam_spatial"])
def test_a_map_with_other_axes_than_it_was_built_for_is_an_error(name, drawn):
    with pytest.raises(RegardError, match=f"{name} with dims=2 takes 4 axes; the input has 3"):
        regard.get(name, 64).double()(drawn(2, 64, 4))
    with pytest.raises(RegardError, match=f"{name} with dims=1 takes 3 axes; the input has 4"):
        regard.get(name, 64, dims=1).double()(drawn(2, 64, 4, 4))


def test_a_spatial_gate_for_any_channels_still_counts_the_axes(drawn):
    module = regard.get("cbam_spatial").double()
    assert [module(drawn(2, c, 4, 4)).shape[1] for c in (3, 5)] == [3, 5]
    with pytest.raises(RegardError, match="takes 4 axes; the input has 3"):
        module(drawn(2, 64, 4))

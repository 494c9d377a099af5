import math

import pytest
import torch

import regard
from regard.errors import RegardError


def normalised(value, norm, c):
    spread = math.sqrt(norm.running_var[c].item() + 1e-5)
    normal = (value - norm.running_mean[c].item()) / spread
    return norm.weight[c].item() * normal + norm.bias[c].item()


def layer(values, linear):
    weight, bias = linear.weight.flatten(1).tolist(), linear.bias.tolist()
    return [
        b + sum(w * v for w, v in zip(row, values, strict=True))
        for row, b in zip(weight, bias, strict=True)
    ]


def channel_logits(sample, half):
    """The channel branch for one sample [C, H, W], number by number."""
    hidden = layer([math.fsum(c.flatten().tolist()) / c.numel() for c in sample], half.reduce)
    if half.official:
        hidden = [normalised(v, half.norm, i) for i, v in enumerate(hidden)]
    logits = layer([max(0.0, v) for v in hidden], half.expand)
    return logits if half.official else [normalised(v, half.norm, i) for i, v in enumerate(logits)]


def dilated(planes, conv, dilation):
    """A padded, dilated convolution 3×3 of planes [C, H, W], number by number."""
    _, height, width = planes.shape
    out = torch.zeros(conv.out_channels, height, width, dtype=planes.dtype)
    weight = conv.weight.tolist()
    for o, i, j in (
        (o, i, j) for o in range(len(weight)) for i in range(height) for j in range(width)
    ):
        total = conv.bias[o].item()
        for c, kernel in enumerate(weight[o]):
            for a, b in ((a, b) for a in range(3) for b in range(3)):
                row, column = i + (a - 1) * dilation, j + (b - 1) * dilation
                if 0 <= row < height and 0 <= column < width:
                    total += kernel[a][b] * planes[c, row, column].item()
        out[o, i, j] = total
    return out


def pointwise(planes, conv):
    out = torch.zeros(conv.out_channels, *planes.shape[1:], dtype=planes.dtype)
    for i, j in ((i, j) for i in range(planes.shape[1]) for j in range(planes.shape[2])):
        out[:, i, j] = torch.tensor(layer(planes[:, i, j].tolist(), conv), dtype=planes.dtype)
    return out


def spatial_logits(sample, half, official, dilation):
    """The spatial branch for one sample [C, H, W] → [H, W]."""
    planes, layers = sample, list(half.layers)
    for step in range(3):
        conv = layers.pop(0)
        planes = dilated(planes, conv, dilation) if step else pointwise(planes, conv)
        if official:
            norm = layers.pop(0)
            planes = torch.stack([normalised(p, norm, c) for c, p in enumerate(planes)])
        layers.pop(0)
        planes = planes.clamp(min=0)
    (plane,) = pointwise(planes, layers.pop(0))
    return plane if official else normalised(plane, layers.pop(0), 0)


@pytest.mark.parametrize("variant", ["official", "paper"])
@pytest.mark.parametrize("dilation", [1, 4])
def test_it_is_the_papers_equation(variant, dilation, moved, drawn):
    module = moved(regard.get("bam", 4, 2, dilation=dilation, variant=variant))
    x, official = drawn(2, 4, 6, 5), variant == "official"
    out = torch.empty_like(x)
    with torch.no_grad():
        for n, sample in enumerate(x):
            plane = spatial_logits(sample, module.spatial, official, dilation)
            for c, logit in enumerate(channel_logits(sample, module.channel)):
                joined = logit * plane if official else logit + plane
                out[n, c] = sample[c] * (1 + 1 / (1 + torch.exp(-joined)))
    torch.testing.assert_close(module(x), out, rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    made = [count(regard.get("bam", c, device="meta")) for c in table]
    assert made == [1173, 4457, 17361, 68513, 272193, 1085057]
    made = [count(regard.get("bam_channel", c, device="meta")) for c in table]
    assert made == [588, 2200, 8496, 33376, 132288, 526720]
    made = [count(regard.get("bam_spatial", c, device="meta")) for c in table]
    assert made == [585, 2257, 8865, 35137, 139905, 558337]


def test_a_half_alone_is_the_whole_with_the_other_at_rest(moved, drawn):
    x = drawn(2, 8, 5, 6)
    whole = moved(regard.get("bam", 8, 2, variant="paper"))
    for name, other in (("channel", whole.spatial.layers[-1]), ("spatial", whole.channel.norm)):
        half = regard.get(f"bam_{name}", 8, 2, variant="paper").double().eval()
        half.load_state_dict(getattr(whole, name).state_dict())
        kept = [p.detach().clone() for p in other.parameters()]
        for parameter in other.parameters():
            parameter.data.zero_()
        torch.testing.assert_close(whole(x), half(x))
        for parameter, before in zip(other.parameters(), kept, strict=True):
            parameter.data.copy_(before)


def test_no_number_is_made_smaller_in_magnitude(moved, drawn):
    x = drawn(2, 8, 5, 6)
    for name in ("bam", "bam_channel", "bam_spatial"):
        ratio = moved(regard.get(name, 8))(x) / x
        assert ratio.min() >= 1
        assert ratio.max() <= 2


def test_the_spatial_branch_sees_nine_places_in_each_direction(moved, drawn):
    module, x = moved(regard.get("bam_spatial", 8)), drawn(1, 8, 25, 25)
    other = x.clone()
    other[..., 12, 12] += 10
    changed = (module(x) != module(other)).any(1)[0].nonzero()
    assert (changed - 12).abs().max() == 8
    assert set((changed - 12).flatten().tolist()) == {-8, -4, 0, 4, 8}


def test_a_line_agrees_with_a_map_of_one_row(moved, drawn):
    x = drawn(2, 4, 9)
    line, flat = moved(regard.get("bam", 4, dims=1)), moved(regard.get("bam", 4, dims=2))
    state = flat.state_dict()
    for name, tensor in line.state_dict().items():
        if tensor.dim() == 3:
            state[name].zero_()[..., tensor.shape[2] // 2, :] = tensor
        else:
            state[name].copy_(tensor)
    torch.testing.assert_close(flat(x.unsqueeze(2)).squeeze(2), line(x))


@pytest.mark.parametrize("given", [{"dims": 0}, {"dilation": 0}, {"reduction": 0}])
def test_what_cannot_be_built_is_an_error(given):
    with pytest.raises(RegardError, match=next(iter(given))):
        regard.get("bam", 64, **given)

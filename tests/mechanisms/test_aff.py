import math

import pytest
import torch

import regard
from regard.errors import RegardError
from regard.maps import record


def normed(values, norm):
    """BatchNorm in eval mode of one pixel's channels."""
    state = zip(
        norm.running_mean.tolist(), norm.running_var.tolist(), norm.weight.tolist(),
        norm.bias.tolist(), strict=True,
    )  # fmt: skip
    return [
        (v - mean) / math.sqrt(var + norm.eps) * weight + bias
        for v, (mean, var, weight, bias) in zip(values, state, strict=True)
    ]


def mixed(values, conv):
    rows = conv.weight.flatten(1).tolist()
    return [
        b + sum(w * v for w, v in zip(row, values, strict=True))
        for row, b in zip(rows, conv.bias.tolist(), strict=True)
    ]


def squeezed(values, layers):
    first, norm1, _, second, norm2 = layers
    hidden = [max(0.0, v) for v in normed(mixed(values, first), norm1)]
    return normed(mixed(hidden, second), norm2)


def gate_by_hand(z, near, far):
    """σ(local + global) at each pixel of one sample ``[C, H, W]``."""
    mean = [math.fsum(c.flatten().tolist()) / c.numel() for c in z]
    everywhere, gate = squeezed(mean, far), torch.empty_like(z)
    for i in range(z.shape[1]):
        for j in range(z.shape[2]):
            here = squeezed(z[:, i, j].tolist(), near)
            for c, (a, b) in enumerate(zip(here, everywhere, strict=True)):
                gate[c, i, j] = 1 / (1 + math.exp(-a - b))
    return gate


@pytest.mark.parametrize(("variant", "factor"), [("official", 2), ("paper", 1)])
def test_aff_is_the_papers_equation_and_the_code_doubles_it(variant, factor, moved, drawn):
    module = moved(regard.get("aff", 4, reduction=2, variant=variant))
    x, r = drawn(2, 4, 3, 2), drawn(2, 4, 3, 2, seed=2)
    out = module(x, r)
    for n in range(2):
        gate = gate_by_hand(x[n] + r[n], module.near, module.far)
        wanted = factor * (gate * x[n] + (1 - gate) * r[n])
        torch.testing.assert_close(out[n], wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("variant", ["official", "pytorch"])
def test_iaff_looks_again_at_what_it_fused(variant, moved, drawn):
    module = moved(regard.get("iaff", 4, reduction=2, variant=variant))
    x, r = drawn(2, 4, 3, 2), drawn(2, 4, 3, 2, seed=2)
    out = module(x, r)
    for n in range(2):
        gate = gate_by_hand(x[n] + r[n], module.near, module.far)
        first = gate * x[n] + (1 - gate) * r[n]
        far = module.far2 if variant == "official" else module.far
        gate = gate_by_hand(first, module.near2, far)
        wanted = gate * x[n] + (1 - gate) * r[n]
        torch.testing.assert_close(out[n], wanted, rtol=1e-9, atol=1e-9)


def silent(module):
    """The last BatchNorms give nothing, so that every gate is one half."""
    for part in ("near", "far", "near2", "far2"):
        if hasattr(module, part):
            torch.nn.init.zeros_(getattr(module, part)[4].weight)
            torch.nn.init.zeros_(getattr(module, part)[4].bias)
    return module


def test_a_gate_of_one_half_is_the_plain_sum_or_the_mean(drawn):
    x, r = drawn(2, 8, 3, 5), drawn(2, 8, 3, 5, seed=2)
    assert torch.equal(silent(regard.get("aff", 8).double())(x, r), x + r)
    assert torch.equal(silent(regard.get("iaff", 8).double())(x, r), (x + r) / 2)
    assert torch.equal(silent(regard.get("aff", 8, variant="paper").double())(x, r), (x + r) / 2)


@pytest.mark.parametrize("name", ["aff", "iaff"])
def test_what_is_in_both_maps_comes_out_whatever_the_gate(name, moved, drawn):
    module, x = moved(regard.get(name, 8)), drawn(2, 8, 3, 5)
    torch.testing.assert_close(module(x, x), (2 if name == "aff" else 1) * x)


def test_the_numbers_of_parameters_of_the_code(count, table):
    for c in table:
        h = c // 4
        branch = 2 * c * h + 3 * h + 3 * c  # two convolutions with biases, two normalisations
        assert count(regard.get("aff", c, device="meta")) == 2 * branch
        assert count(regard.get("iaff", c, device="meta")) == 4 * branch
        assert count(regard.get("iaff", c, variant="pytorch", device="meta")) == 3 * branch
    assert count(regard.get("aff", 64, device="meta")) == 4576


@pytest.mark.parametrize("dims", [1, 3])
def test_other_dimensions_are_the_same_row_of_pixels(dims, moved, drawn):
    flat = moved(regard.get("aff", 4))
    module = regard.get("aff", 4, dims=dims).double().eval()
    for name, value in module.state_dict().items():
        value.copy_(flat.state_dict()[name].reshape(value.shape))
    x, r = drawn(2, 4, 6), drawn(2, 4, 6, seed=2)
    space = (6,) if dims == 1 else (2, 1, 3)
    wanted = flat(x.unsqueeze(-1), r.unsqueeze(-1)).flatten(2)
    torch.testing.assert_close(module(*(m.unflatten(2, space) for m in (x, r))).flatten(2), wanted)


def test_maps_of_two_shapes_and_other_wrong_input_are_errors(drawn):
    module = regard.get("aff", 4).double()
    with pytest.raises(RegardError, match=r"one shape; got \(2, 4, 3, 5\) and \(2, 4, 3, 1\)"):
        module(drawn(2, 4, 3, 5), drawn(2, 4, 3, 1))
    with pytest.raises(RegardError, match="aff with dims=2 was built for 4 on axis 1"):
        module(drawn(2, 4, 3, 5), drawn(2, 3, 3, 5))
    with pytest.raises(RegardError, match="dims is 4; a map has 1, 2 or 3"):
        regard.get("aff", 4, dims=4)


@pytest.mark.parametrize(("name", "total"), [("aff", 2), ("iaff", 1)])
def test_the_shares_of_both_maps_are_recorded_and_add_up(name, total, moved, drawn):
    module, x, r = moved(regard.get(name, 4)), drawn(2, 4, 3, 5), drawn(2, 4, 3, 5, seed=2)
    with record(module) as found:
        module(x, r)
    shares = [m.values for m in found]
    assert len(shares) == (2 if name == "aff" else 4)
    for one, other in zip(shares[::2], shares[1::2], strict=True):
        torch.testing.assert_close(one + other, torch.full_like(one, total))

import math

import pytest
import torch

import regard
from regard.errors import RegardError


def kernel_by_hand(module, head):
    taps = module.taps[head].tolist()
    mean = sum(taps) / len(taps)
    spread = math.sqrt(sum((t - mean) ** 2 for t in taps) / len(taps) + 1e-8)
    gain, shift = module.gain_taps[head].item(), module.bias_taps[head].item()
    return [gain * (t - mean) / spread + shift for t in taps]


def by_hand(x, module, seen=lambda b, i, j: True):
    """σ(q) times the mean of values by exp(k + w), w of the distance; one key a head."""
    width = x.shape[2] // module.heads
    mixed = torch.zeros_like(x)
    for b in range(x.shape[0]):
        q, k, v = (
            (x[b] @ layer.weight.T + layer.bias).tolist()
            for layer in (module.query, module.key, module.value)
        )
        for h in range(module.heads):
            taps = kernel_by_hand(module, h)
            half = len(taps) // 2
            for i in range(x.shape[1]):
                weights = {
                    j: math.exp(k[j][h] + (taps[j - i + half] if abs(j - i) <= half else 0.0))
                    for j in range(x.shape[1])
                    if seen(b, i, j)
                }
                for c in range(h * width, (h + 1) * width):
                    if weights:
                        mean = sum(w * v[j][c] for j, w in weights.items()) / sum(weights.values())
                        mixed[b, i, c] = mean / (1 + math.exp(-q[i][c]))
    return mixed @ module.output.weight.T + module.output.bias


@pytest.mark.parametrize("kernel", [1, 3, 9])
def test_it_is_the_papers_equation(kernel, moved, drawn):
    module, x = moved(regard.get("aft_conv", 4, heads=2, kernel=kernel)), drawn(2, 6, 4)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_masks_and_causal_choose_the_keys_of_the_equation(moved, drawn):
    module, x = moved(regard.get("aft_conv", 4, heads=2, kernel=3)), drawn(2, 5, 4)
    wanted = by_hand(x, module, lambda b, i, j: j <= i)
    torch.testing.assert_close(module(x, causal=True), wanted, rtol=1e-9, atol=1e-9)
    real = torch.tensor([[True, False, True, True, False], [True] * 5])
    wanted = by_hand(x, module, lambda b, i, j: real[b, j])
    torch.testing.assert_close(module(x, mask=real), wanted, rtol=1e-9, atol=1e-9)
    pairs = real[:, None].expand(-1, 5, -1)
    torch.testing.assert_close(module(x, mask=pairs), wanted, rtol=1e-9, atol=1e-9)


def test_it_begins_without_biases_of_positions(drawn):
    module, x = regard.get("aft_conv", 4, heads=2).double(), drawn(2, 6, 4)
    assert not module.kernel().any()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order])


def test_one_head_a_feature_without_taps_is_aft_simple(moved, drawn):
    module, x = moved(regard.get("aft_conv", 4, heads=4, kernel=3)), drawn(2, 6, 4)
    simple, state = regard.get("aft_simple", 4).double(), module.state_dict()
    state.pop("gain_taps").zero_()
    state.pop("bias_taps").zero_()
    del state["taps"]
    simple.load_state_dict(state)
    torch.testing.assert_close(module(x), simple(x))


def test_the_scale_of_the_taps_does_not_matter(moved, drawn):
    module, x = moved(regard.get("aft_conv", 4, heads=2, kernel=5)), drawn(2, 6, 4)
    before = module(x)
    module.taps.data = 1e3 * module.taps + 5
    torch.testing.assert_close(module(x), before, rtol=1e-6, atol=1e-6)


def test_far_tokens_are_weighed_alike(moved, drawn):
    """Beyond the kernel two tokens may change places."""
    module, x = moved(regard.get("aft_conv", 4, heads=2, kernel=3)), drawn(1, 6, 4)
    swapped = x[:, [0, 1, 2, 3, 5, 4]]
    torch.testing.assert_close(module(x)[:, :3], module(swapped)[:, :3])
    assert not torch.allclose(module(x)[:, 3], module(swapped)[:, 3])


def test_the_number_of_parameters(count):
    made = regard.get("aft_conv", 512, heads=32, kernel=11, device="meta")
    assert count(made) == 3 * 512**2 + 3 * 512 + (512 + 1) * 32 + 32 * 11 + 2 * 32


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"heads": 3}, "3 heads do not divide a width of 16"),
        ({"kernel": 4}, "kernel is 4; it must be odd"),
        ({"kernel": 0}, "kernel is 0"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("aft_conv", 16, **given)

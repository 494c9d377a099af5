import math

import torch

import regard


def by_hand(x, module):
    """Each channel's two statistics, the normalisation and the gate, number by number."""
    norm, out = module.norm, torch.empty_like(x)
    for n, sample in enumerate(x):
        for c, plane in enumerate(sample):
            values = plane.flatten().tolist()
            mean = math.fsum(values) / len(values)
            variance = math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1)
            first, second = module.weight[c].tolist()
            style = first * mean + second * math.sqrt(variance + 1e-5)
            spread = math.sqrt(norm.running_var[c].item() + 1e-5)
            style = (style - norm.running_mean[c].item()) / spread
            logit = norm.weight[c].item() * style + norm.bias[c].item()
            out[n, c] = plane / (1 + math.exp(-logit))
    return out


def test_it_is_the_papers_equation(moved, drawn):
    module, x = moved(regard.get("srm", 6)), drawn(2, 6, 3, 5)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_published_numbers_of_parameters(count, table):
    assert [count(regard.get("srm", c)) for c in table] == [256, 512, 1024, 2048, 4096, 8192]


def test_the_official_gate_begins_at_one_half(drawn):
    x = drawn(4, 8, 5, 6)
    for training in (False, True):
        module = regard.get("srm", 8).double().train(training)
        assert torch.equal(module(x), 0.5 * x)


def test_no_channel_sees_another(moved, drawn):
    module, x = moved(regard.get("srm", 4)), drawn(2, 4, 5, 6)
    other = x.clone()
    other[:, 1] += 1
    changed = (module(x) != module(other)).flatten(2).any(-1).any(0)
    assert changed.tolist() == [False, True, False, False]


def test_a_single_place_has_no_spread(moved, drawn):
    module, x = moved(regard.get("srm", 4)), drawn(2, 4, 1, 1)
    style = module.weight[:, 0] * x[..., 0, 0] + module.weight[:, 1] * math.sqrt(1e-5)
    torch.testing.assert_close(module(x)[..., 0, 0], x[..., 0, 0] * module.norm(style).sigmoid())


def test_the_order_of_places_does_not_matter(moved, drawn):
    module, x = moved(regard.get("srm", 4)), drawn(2, 4, 5, 6)
    torch.testing.assert_close(module(x.flip(2, 3)), module(x).flip(2, 3))


def test_float16_holds_what_its_squares_would_not(moved, drawn):
    module, x = moved(regard.get("srm", 4)), (4000 * drawn(2, 4, 7, 5)).half()
    module.weight.data /= 4000
    wanted = module(x.double())
    torch.testing.assert_close(module.half()(x).double(), wanted, rtol=1e-2, atol=0)


def test_training_leaves_an_identity_start_in_all_its_weights(drawn):
    module, x = regard.get("srm", 4, start="identity").double(), drawn(4, 4, 5, 6)
    for _ in range(2):
        loss = (module(x) * drawn(4, 4, 5, 6, seed=2)).sum()
        loss.backward()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.sub_(0.1 * parameter.grad)
    assert all(p.grad.abs().min() > 0 for p in module.parameters())

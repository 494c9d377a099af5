import math

import torch

import regard


def normalised(value, norm, c):
    spread = math.sqrt(norm.running_var[c].item() + 1e-5)
    return (
        norm.weight[c].item() * (value - norm.running_mean[c].item()) / spread + norm.bias[c].item()
    )


def by_hand(x, module, dim):
    """Reduction, covariances, one convolution a row and the last layer, number by number."""
    reduce, rows = module.reduce.weight.flatten(1).tolist(), module.rows.weight.tolist()
    out = torch.empty_like(x)
    for n, sample in enumerate(x):
        places = sample.clamp(min=0).flatten(1).T.tolist()
        z = [
            [
                max(0.0, normalised(b + sum(w * v for w, v in zip(row, p, strict=True)), norm, d))
                for p in places
            ]
            for d, (row, b) in enumerate(zip(reduce, module.reduce.bias.tolist(), strict=True))
            for norm in [module.norm]
        ]
        means = [math.fsum(row) / len(row) for row in z]
        numbers = []
        for i in range(dim):
            covariances = [
                math.fsum((a - means[i]) * (b - means[j]) for a, b in zip(z[i], z[j], strict=True))
                / len(places)
                for j in range(dim)
            ]
            row = [normalised(v, module.row_norm, i) for v in covariances]
            for k in range(4):
                (kernel,) = rows[4 * i + k]
                bias = module.rows.bias[4 * i + k].item()
                numbers.append(bias + sum(w * v for w, v in zip(kernel, row, strict=True)))
        for c, row in enumerate(module.expand.weight.tolist()):
            logit = module.expand.bias[c].item()
            logit += sum(w * v for w, v in zip(row, numbers, strict=True))
            out[n, c] = sample[c] / (1 + math.exp(-logit))
    return out


def test_it_is_the_papers_equation(moved, drawn):
    module, x = moved(regard.get("gsop", 5, 3)), drawn(2, 5, 3, 4)
    torch.testing.assert_close(module(x), by_hand(x, module, 3), rtol=1e-9, atol=1e-9)


def test_the_numbers_of_parameters_are_those_of_the_official_layers(count, table):
    for c in table:
        d = 128
        official = (c * d + d) + 2 * d + 2 * d + (4 * d * d + 4 * d) + (4 * d * c + c)
        assert count(regard.get("gsop", c, device="meta")) == official


def test_the_order_of_places_does_not_matter(moved, drawn):
    module, x = moved(regard.get("gsop", 6, 4)), drawn(2, 6, 3, 4)
    torch.testing.assert_close(module(x.flip(2, 3)), module(x).flip(2, 3))


def test_a_constant_map_has_no_covariance(moved, drawn):
    module = moved(regard.get("gsop", 6, 4))
    a, b = (drawn(1, 6, 1, 1, seed=s).expand(1, 6, 3, 4) for s in (1, 2))
    torch.testing.assert_close(module(a) / a, module(b) / b)


def test_a_stride_takes_every_second_place(moved, drawn):
    module = moved(regard.get("gsop", 6, 4, stride=2))
    dense, x = regard.get("gsop", 6, 4).double().eval(), drawn(2, 6, 5, 4)
    dense.load_state_dict(module.state_dict())
    sparse = x[..., ::2, ::2]
    torch.testing.assert_close(module(x)[..., ::2, ::2], dense(sparse))

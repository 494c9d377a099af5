import math

import pytest
import torch

import regard
from regard.errors import RegardError


def by_hand(x, module, norm):
    """The embedding, the normalisation and the gate, number by number."""
    alpha, gamma, beta = (p.tolist() for p in (module.alpha, module.gamma, module.beta))
    out = torch.empty_like(x)
    for n, sample in enumerate(x):
        values = [c.flatten().tolist() for c in sample]
        if norm == "l2":
            norms = [math.sqrt(math.fsum(v * v for v in c) + 1e-5) for c in values]
        else:
            norms = [math.fsum(abs(v) for v in c) for c in values]
        e = [a * v for a, v in zip(alpha, norms, strict=True)]
        if norm == "l2":
            joint = math.sqrt(math.fsum(v * v for v in e) / len(e) + 1e-5)
        else:
            joint = math.fsum(abs(v) for v in e) / len(e) + 1e-5
        for c, v in enumerate(e):
            out[n, c] = sample[c] * (1 + math.tanh(gamma[c] * v / joint + beta[c]))
    return out


@pytest.mark.parametrize("norm", ["l2", "l1"])
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_it_is_the_papers_equation(norm, scale, moved, drawn):
    module, x = moved(regard.get("gct", 6, norm=norm)), scale * drawn(2, 6, 3, 5)
    torch.testing.assert_close(module(x), by_hand(x, module, norm), rtol=1e-9, atol=1e-12)


def test_the_published_numbers_of_parameters(count, table):
    assert [count(regard.get("gct", c)) for c in table] == [192, 384, 768, 1536, 3072, 6144]


def test_it_begins_as_the_identity(drawn):
    x = drawn(2, 8, 4, 5)
    assert torch.equal(regard.get("gct", 8).double()(x), x)


def test_a_positive_gamma_makes_channels_compete_and_a_negative_one_makes_them_equal(drawn):
    x = drawn(1, 2, 8, 8)
    x[:, 1] *= 10
    for gamma, larger in ((1.0, 1), (-1.0, 0)):
        module = regard.get("gct", 2).double()
        torch.nn.init.constant_(module.gamma, gamma)
        gate = (module(x) / x)[0, :, 0, 0]
        assert gate.argmax() == larger


def test_the_gate_does_not_depend_on_the_scale_of_the_map(moved, drawn):
    module, x = moved(regard.get("gct", 8, epsilon=0.0)), drawn(2, 8, 4, 5)
    torch.testing.assert_close(module(1000 * x), 1000 * module(x))


def test_the_sum_of_squares_of_a_large_map_fits_into_float16(moved):
    module = moved(regard.get("gct", 4)).half()
    x = torch.full((1, 4, 64, 64), 1000.0)
    wanted = module.double()(x.double())
    got = module.half()(x.half()).double()
    torch.testing.assert_close(got, wanted, rtol=1e-2, atol=0.0)
    zeros = torch.zeros(1, 4, 64, 64, dtype=torch.float16)
    assert torch.equal(module(zeros), zeros)


def test_an_unknown_norm_is_an_error():
    with pytest.raises(RegardError, match="norm is 'l3'; it can be 'l2' or 'l1'"):
        regard.get("gct", 8, norm="l3")

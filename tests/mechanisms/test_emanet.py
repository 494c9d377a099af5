import math

import pytest
import torch

import regard
from regard.errors import RegardError


def inner(a, b):
    return math.fsum(p * q for p, q in zip(a, b, strict=True))


def affine(layer, pixel):
    rows = layer.weight.flatten(1).tolist()
    biases = [0.0] * len(rows) if layer.bias is None else layer.bias.tolist()
    return [b + inner(row, pixel) for row, b in zip(rows, biases, strict=True)]


def softmax(logits):
    raised = [math.exp(v - max(logits)) for v in logits]
    return [r / math.fsum(raised) for r in raised]


def stages_by_hand(pixels, bases, stages):
    """Responsibilities (E) and bases (M), so many times; lists of vectors."""
    for _ in range(stages):
        shares = [softmax([inner(p, b) for b in bases]) for p in pixels]
        found = []
        for k in range(len(bases)):
            column = [s[k] for s in shares]
            total = 1e-6 + math.fsum(column)
            moved = [inner(column, c) / total for c in zip(*pixels, strict=True)]
            length = 1e-6 + math.sqrt(inner(moved, moved))
            found.append([m / length for m in moved])
        bases = found
    return shares, bases


def by_hand(x, module):
    out = torch.empty_like(x)
    norm = module.norm
    for n, sample in enumerate(x):
        places = sample.flatten(1).T.tolist()
        pixels = [affine(module.reduce, p) for p in places]
        shares, bases = stages_by_hand(pixels, module.bases[0].T.tolist(), module.stages)
        for i, place in enumerate(places):
            columns = zip(*bases, strict=True)
            written = [max(0.0, inner(shares[i], column)) for column in columns]
            for c, z in enumerate(affine(module.expand, written)):
                spread = math.sqrt(norm.running_var[c].item() + 1e-5)
                scaled = norm.weight[c].item() * (z - norm.running_mean[c].item()) / spread
                out[n, c].view(-1)[i] = max(0.0, place[c] + scaled + norm.bias[c].item())
    return out


@pytest.mark.parametrize("variant", ["official", "paper"])
@pytest.mark.parametrize("stages", [1, 3])
def test_both_variants_give_the_papers_equation(stages, variant, moved, drawn):
    module = moved(regard.get("emanet", 4, 3, stages, variant=variant))
    x = 0.3 * drawn(2, 4, 3, 4)
    torch.testing.assert_close(module(x), by_hand(x, module), rtol=1e-9, atol=1e-9)


def test_the_number_of_parameters_and_the_bases(count, table):
    for c in table:
        assert count(regard.get("emanet", c, device="meta")) == 2 * c * c + 3 * c
    bases = regard.get("emanet", 512).bases
    assert bases.shape == (1, 512, 64)
    torch.testing.assert_close(bases.norm(dim=1), torch.ones(1, 64))


def reached(variant, drawn):
    module = regard.get("emanet", 8, 4, variant=variant).double().train()
    module(drawn(2, 8, 4, 4)).square().sum().backward()
    gradient = module.reduce.weight.grad
    return gradient is not None and bool(gradient.any())


def test_a_gradient_reaches_the_first_convolution_in_the_papers_variant_only(drawn):
    assert reached("paper", drawn)
    assert not reached("official", drawn)


def test_the_papers_gradient_is_that_of_finite_differences(drawn):
    module = regard.get("emanet", 4, 3, variant="paper", momentum=1).double().train()
    x = drawn(2, 4, 3, 3).requires_grad_()
    assert torch.autograd.gradcheck(module, x)


def test_training_moves_the_bases_to_those_it_found_by_a_tenth(drawn):
    module, x = regard.get("emanet", 8, 4).double().train(), drawn(2, 8, 4, 4)
    before = module.bases.clone()
    pixels = module.reduce(x).flatten(2).transpose(1, 2).tolist()
    found = [stages_by_hand(p, before[0].T.tolist(), 3)[1] for p in pixels]
    mean = torch.tensor(found, dtype=x.dtype).mean(0).T
    module(x)
    torch.testing.assert_close(module.bases[0], 0.9 * before[0] + 0.1 * mean)
    module.eval()(x)
    torch.testing.assert_close(module.bases[0], 0.9 * before[0] + 0.1 * mean)


def test_the_moving_average_is_kept_when_compiled(drawn):
    x = drawn(2, 8, 4, 4)
    states = []
    for compiled in (False, True):
        torch.manual_seed(0)
        module = regard.get("emanet", 8, 4).double().train()
        torch.compiler.reset()
        run = torch.compile(module, fullgraph=True, backend="aot_eager") if compiled else module
        run(x).sum().backward()
        states.append(module.bases.clone())
    torch.testing.assert_close(states[0], states[1])


def test_what_is_written_has_at_most_the_rank_of_the_bases(moved, drawn):
    module = moved(regard.get("emanet", 16, 3))
    written, _ = module._stages(drawn(1, 25, 16))
    assert torch.linalg.matrix_rank(written[0]) == 3


def test_the_identity_start_leaves_out_the_last_rectifier(drawn):
    x = drawn(2, 8, 4, 3)
    assert torch.equal(regard.get("emanet", 8, 4, start="identity").double()(x), x)
    assert (regard.get("emanet", 8, 4).double().eval()(x) >= 0).all()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"bases": 0}, "bases is 0"),
        ({"stages": 0}, "stages is 0"),
        ({"momentum": 1.5}, "momentum is 1.5; it must be from 0 to 1"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        regard.get("emanet", 64, **given)

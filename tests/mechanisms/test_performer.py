import math

import pytest
import torch

import regard
from regard.errors import RegardError


def features(row, directions, top):
    """(exp(w·x' - |x'|² / 2 - top) + ε) / √m with x' = x / d^(1/4)."""
    scaled = [x / len(row) ** 0.25 for x in row]
    half = sum(x * x for x in scaled) / 2
    return [
        (math.exp(dot(w, scaled) - half - top) + 1e-6) / math.sqrt(len(directions))
        for w in directions
    ]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def tops(rows, directions):
    return [max(dot(w, [x / len(r) ** 0.25 for x in r]) for w in directions) for r in rows]


def by_hand(query, source, module):
    width, directions = query.shape[2] // module.heads, module.directions.tolist()
    heads = torch.zeros_like(query)
    for b in range(query.shape[0]):
        q, k, v = (
            x @ layer.weight.T
            for x, layer in (
                (query[b], module.query), (source[b], module.key), (source[b], module.value),
            )
        )  # fmt: skip
        for h in range(module.heads):
            part = slice(h * width, (h + 1) * width)
            rows, keys = q[:, part].tolist(), k[:, part].tolist()
            largest = max(tops(keys, directions))
            kept = [features(key, directions, largest) for key in keys]
            for i, (row, top) in enumerate(zip(rows, tops(rows, directions), strict=True)):
                mine = features(row, directions, top)
                scores = [dot(mine, other) for other in kept]
                for score, value in zip(scores, v[:, part], strict=True):
                    heads[b, i, part] += score / sum(scores) * value
    return heads @ module.output.weight.T


def test_it_is_the_papers_estimator(moved, drawn):
    module = moved(regard.get("performer", 6, heads=2, features=5))
    query, source = drawn(2, 3, 6), drawn(2, 4, 6, seed=2)
    wanted = by_hand(query, source, module)
    torch.testing.assert_close(module(query, source), wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("width", [4, 8])
def test_directions_are_orthogonal_in_blocks_and_of_gaussian_length(width):
    module = regard.get("performer", width, heads=1, features=1000).double()
    block = module.directions[:width]
    products = block @ block.T
    torch.testing.assert_close(products, products.diag().diag(), rtol=0, atol=1e-6)
    squares = module.directions.square().sum(1)  # chi-squared: mean d, variance 2 d
    assert squares.mean().item() == pytest.approx(width, rel=0.1)
    assert squares.var().item() == pytest.approx(2 * width, rel=0.3)
    torch.testing.assert_close(
        module.directions.mean(0), torch.zeros(width).double(), rtol=0, atol=0.1
    )
    second = module.directions.T @ module.directions / 1000  # isotropic
    torch.testing.assert_close(second, torch.eye(width).double(), rtol=0, atol=0.2)


def test_many_features_come_near_softmax_attention(drawn):
    torch.manual_seed(0)
    x = 0.25 * drawn(2, 6, 4)  # the estimate's variance grows exponentially with the lengths
    module = regard.get("performer", 4, heads=2, features=20_000).double()
    plain, state = regard.get("multihead", 4, heads=2).double(), module.state_dict()
    del state["directions"]
    plain.load_state_dict(state)
    few = regard.get("performer", 4, heads=2, features=4).double()
    few.load_state_dict({**state, "directions": few.directions})
    wanted = plain(x)
    near, far = ((m(x) - wanted).abs().max().item() for m in (module, few))
    assert near < 0.05 * wanted.abs().max().item()
    assert near < far / 5


def test_directions_come_from_the_seed_alone():
    def directions(seed, before):
        torch.manual_seed(before)
        return regard.get("performer", 8, heads=2, seed=seed).directions

    assert torch.equal(directions(0, 1), directions(0, 2))
    assert not torch.equal(directions(0, 1), directions(1, 1))
    module = regard.get("performer", 8, heads=2)
    module.redraw(1)
    assert torch.equal(module.directions, directions(1, 1))


def test_they_are_saved_with_the_module():
    module = regard.get("performer", 8, heads=2, seed=3)
    other = regard.get("performer", 8, heads=2)
    other.load_state_dict(module.state_dict())
    assert torch.equal(other.directions, module.directions)


def test_padding_with_large_numbers_moves_nothing(moved, drawn):
    """The largest key sets the scale of all; one in the padding must not."""
    module, x = moved(regard.get("performer", 4, heads=2)), drawn(2, 5, 4)
    mask = torch.tensor([[True, True, True, False, False]]).expand(2, -1)
    loud = torch.where(mask.unsqueeze(2), x, 1e6)
    torch.testing.assert_close(module(x, loud, mask=mask), module(x, x[:, :3]))


def test_another_order_of_tokens_is_followed(moved, drawn):
    module, x = moved(regard.get("performer", 4, heads=2)), drawn(2, 6, 4)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(x[:, order]), module(x)[:, order])


def test_the_number_of_parameters(count):
    assert count(regard.get("performer", 512)) == 4 * 512**2


def test_what_it_cannot_do_is_an_error(drawn):
    module, x = regard.get("performer", 8).double(), drawn(2, 5, 8)
    with pytest.raises(RegardError, match="performer makes no score of each query and key"):
        module(x, mask=torch.ones(2, 5, 5, dtype=torch.bool))
    for given in ({"features": 0}, {"seed": 0.5}):
        with pytest.raises(RegardError, match=next(iter(given))):
            regard.get("performer", 8, **given)

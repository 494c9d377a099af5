"""The tests of heats, on models whose right heat is known."""

import pytest
import torch
from torch import nn

from regard.seeing import (
    Curves,
    Heat,
    Sanity,
    blanking,
    blurring,
    deletion_insertion,
    grad_cam,
    sanity_check,
    shuffled_correlations,
)
from regard.seeing.heat import rank_correlation, ranks_of


class Corner(nn.Module):
    """Class 1 in proportion to the brightness of the upper left quarter."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.conv.weight)

    def forward(self, x):
        seen = self.conv(x)[:, 0, :4, :4].mean((1, 2))
        return torch.stack((torch.zeros_like(seen), seen), 1)


def heat(values):
    return Heat(torch.as_tensor(values, dtype=torch.float32), "by hand", "nowhere", "")


@pytest.fixture
def bright():
    x = torch.zeros(1, 1, 8, 8)
    x[..., :4, :4] = 5
    return x


def test_a_right_heat_beats_every_random_order_and_a_wrong_one_none(bright):
    right = torch.zeros(1, 8, 8)
    right[:, :4, :4] = 1
    erase = blurring(bright, (8, 8))
    good = deletion_insertion(Corner(), erase, heat(right), 1)
    bad = deletion_insertion(Corner(), erase, heat(1 - right), 1)
    assert good.better_than == 8
    assert bad.better_than == 0
    assert good.deletion[0] == pytest.approx(good.insertion[-1])
    assert good.deletion[-1] == pytest.approx(good.insertion[0])
    assert good.deletion[0] == pytest.approx(float(torch.sigmoid(torch.tensor(5.0))))


def test_areas_are_trapezoids():
    curves = Curves((0, 0.5, 1), (1, 0, 0), (0, 1, 1), ((1, 1, 0),), ((0, 0, 1),))
    assert curves.area(curves.deletion) == 0.25
    assert curves.gap == 0.5
    assert curves.random_gaps == (-0.5,)


def test_blurring_keeps_what_stays_and_the_mean_of_a_flat_picture():
    x = torch.randn(1, 3, 16, 16)
    erase = blurring(x, (2, 2))
    keep = torch.tensor([[True] * 4, [True, False, False, False]])
    made = erase(keep)
    torch.testing.assert_close(made[0], x[0])
    torch.testing.assert_close(made[1, :, :8, :8], x[0, :, :8, :8])
    assert not torch.equal(made[1, :, 8:], x[0, :, 8:])
    flat = torch.full((1, 3, 16, 16), 0.7)
    torch.testing.assert_close(blurring(flat, (2, 2))(~keep[:1]), flat)


def test_blanking_writes_another_token():
    ids, keep = torch.tensor([[5, 6, 7]]), torch.tensor([[True, False, True]])
    assert blanking(ids, 0)(keep).tolist() == [[5, 0, 7]]
    named = blanking(ids, 0, {"attention_mask": torch.ones(1, 3)})(keep.repeat(2, 1))
    assert named["attention_mask"].shape == (2, 3)


def test_ranks_share_places_among_equals():
    assert ranks_of(torch.tensor([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1, 3.5, 2]


def test_rank_correlation_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    a, b = torch.randn(2, 50).round(decimals=1)
    assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    assert rank_correlation(a, torch.ones(50)) == 0


def test_a_heat_of_the_input_alone_survives_shuffling_and_one_of_the_weights_does_not():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.Flatten(), nn.Linear(16 * 36, 50))
    x = torch.randn(1, 1, 8, 8)
    before = [p.clone() for p in model.parameters()]
    assert shuffled_correlations(model, lambda m: x) == pytest.approx((1, 1, 1))
    learned = shuffled_correlations(model, lambda m: m[0](x).detach()[:, 0])
    assert learned[0] == pytest.approx(1)  # the last third is the last layer
    assert abs(learned[-1]) < 0.9
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def curves(better):
    low, high, middle = (0.0, 0.0), (1.0, 1.0), (0.5, 0.5)
    mine = (low, high) if better else (high, low)
    return Curves((0.0, 1.0), *mine, (middle,), (middle,))


@pytest.mark.parametrize(
    ("better", "alike", "words"),
    [
        (True, 0.1, "It tells something"),
        (True, 0.9, "Read it with care"),
        (True, -0.9, "Read it with care"),
        (False, 0.1, "It tells little"),
        (False, 0.9, "It tells nothing"),
    ],
)
def test_one_sentence_says_whether_it_tells_anything(better, alike, words):
    found = Sanity(curves(better), (0.0, alike))
    assert found.sentence().startswith(words)
    assert f"{alike:.2f}".replace("-", "−") in found.sentence()
    flat = Sanity(curves(better), (0.0, alike), flat=True)
    assert flat.sentence() == "It tells nothing: it is the same everywhere."


def test_both_tests_of_a_real_heat(bright):
    model = Corner()
    found = grad_cam(model, bright, 1)
    result = sanity_check(model, bright, found, grad_cam, blurring(bright, (8, 8)), target=1)
    assert result.matters
    assert not result.learned  # a single weight cannot be shuffled
    assert "deletion, random order" in result.figure()


def test_an_answer_that_nothing_moves_judges_no_heat():
    same = (0.3, 0.3)
    curves = Curves((0.0, 1.0), same, same, (same,), (same,))
    assert "cannot be judged" in Sanity(curves, (0.0,)).sentence()

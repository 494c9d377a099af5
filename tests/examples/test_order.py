from __future__ import annotations

import pytest
import torch

from regard.training import Budget

SHUFFLED = torch.tensor([3, 0, 5, 1, 4, 2])
MIRRORED = torch.arange(6).flip(0)


def test_only_positions_tell_shuffled_tokens_apart():
    from order import POSITIONS, change

    found = {positions: change(positions, SHUFFLED) for positions in POSITIONS}
    assert found.pop("none") < 1e-12  # float64
    assert len(found) == 5
    assert min(found.values()) > 0.1


def test_distances_alone_do_not_tell_a_text_from_its_mirror_image():
    from order import POSITIONS, change

    found = {positions: change(positions, MIRRORED) for positions in POSITIONS}
    assert {name for name, moved in found.items() if moved < 1e-12} == {"none", "alibi"}
    assert max(found.values()) > 0.1


def test_texts_come_in_twins_whose_first_word_of_the_pair_is_the_label():
    from order import LENGTH, PAIR, twins

    made = twins(40)
    assert len(dict(made)) == len(made) == 40
    for text, label in made:
        words = text.split()
        assert len(words) == LENGTH
        assert next(word for word in words if word in PAIR) == label
        assert sum(words.count(word) for word in PAIR) == 2
    for (one, first), (other, last) in zip(made[::2], made[1::2], strict=True):
        assert sorted(one.split()) == sorted(other.split())
        assert first != last


def test_without_positions_twins_get_one_answer_so_half_is_right():
    from order import accuracy, first_of_two

    assert accuracy(first_of_two(64, 32), "none", Budget(epochs=1, batch=16), 0) == 0.5


@pytest.mark.parametrize("positions", ["sinusoidal", "t5_bias"])
def test_every_seed_is_a_training_of_its_own_and_the_same_again(positions):
    from order import Network, first_of_two, trained

    task, budget = first_of_two(64, 32), Budget(epochs=1, batch=16)
    network = Network(name="transformer", options={"heads": 4, "positions": positions})
    one, again, other = (trained(task, network, budget, seed)[1].loss for seed in (0, 0, 1))
    assert one == again != other

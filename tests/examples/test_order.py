from __future__ import annotations

import pytest

from regard.training import Budget


def test_only_positions_tell_shuffled_tokens_apart():
    from order import POSITIONS, change

    found = {positions: change(positions) for positions in POSITIONS}
    assert found.pop("none") < 1e-12  # float64
    assert len(found) == 5
    assert min(found.values()) > 0.1


def test_without_positions_twins_get_one_answer_so_half_is_right(twins):
    from order import accuracy

    assert accuracy(twins, "none", Budget(epochs=1, batch=16), 0) == 0.5


@pytest.mark.parametrize("positions", ["sinusoidal", "t5_bias"])
def test_every_seed_is_a_training_of_its_own_and_the_same_again(positions, twins):
    from order import Network, trained

    budget = Budget(epochs=1, batch=16)
    network = Network(name="transformer", options={"heads": 4, "positions": positions})
    one, again, other = (trained(twins, network, budget, seed)[1].loss for seed in (0, 0, 1))
    assert one == again != other

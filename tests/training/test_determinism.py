import random

import numpy as np
import pytest
import torch

from regard.training.determinism import deterministic, seeded


def draw():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_a_seed_gives_the_same_numbers_and_leaves_the_states_alone():
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    with seeded(3):
        first = draw()
    with seeded(3):
        again = draw()
    with seeded(4):
        other = draw()
    assert first == again
    assert all(a != b for a, b in zip(first, other, strict=True))
    assert random.getstate() == states[0]
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert torch.equal(torch.get_rng_state(), states[2])


def test_any_whole_number_is_a_seed():
    for seed in (0, (1 << 32) + 1, (1 << 70) + 1):
        with seeded(seed):
            draw()


def settings():
    small = torch.tensor(1e-310, dtype=torch.float64) * 0.5
    return torch.get_num_threads(), torch.get_deterministic_debug_mode(), float(small) == 0


@pytest.fixture
def two_threads():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)


def test_settings_hold_inside_and_come_back_even_after_an_error(two_threads):
    before = settings()
    assert before[2] is False
    try:
        with deterministic():
            assert settings() == (1, 1, True)
            raise KeyError
    except KeyError:
        pass
    assert settings() == before


def test_flushed_denormals_stay_flushed():
    torch.set_flush_denormal(True)
    try:
        with deterministic():
            pass
        assert settings()[2]
    finally:
        torch.set_flush_denormal(False)

import random

import numpy as np
import pytest
import torch

from regard.checks.surroundings import RANDOM, SETTINGS, changed, observed, undisturbed

DISTURBANCES = {
    "the default dtype": lambda: torch.set_default_dtype(torch.float64),
    "the default device": lambda: torch.set_default_device("meta"),
    "the gradient mode": lambda: torch.set_grad_enabled(False),
    "anomaly detection": lambda: torch.autograd.set_detect_anomaly(True),
    "deterministic algorithms": lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    "the number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "the matmul precision": lambda: torch.set_float32_matmul_precision("medium"),
    "cuDNN's flags": lambda: setattr(torch.backends.cudnn, "deterministic", True),
    "PyTorch's random numbers": lambda: torch.rand(1),
    "NumPy's random numbers": lambda: np.random.rand(),
    "Python's random numbers": random.random,
}
EVERYTHING = {**SETTINGS, **RANDOM}


def test_every_setting_is_disturbed_here_but_those_of_a_gpu():
    assert set(EVERYTHING) - set(DISTURBANCES) == {"PyTorch's random numbers on the GPU"}


@pytest.mark.parametrize("name", DISTURBANCES)
def test_a_change_is_seen_and_undone(name):
    before = observed(EVERYTHING)
    with undisturbed():
        assert changed(EVERYTHING, before) == []
        DISTURBANCES[name]()
        assert changed(EVERYTHING, before) == [name]
    assert changed(EVERYTHING, before) == []


def test_it_is_undone_after_an_error_too():
    before = observed(EVERYTHING)

    def stop():
        with undisturbed():
            for disturb in DISTURBANCES.values():
                disturb()
            raise KeyError

    with pytest.raises(KeyError):
        stop()
    assert changed(EVERYTHING, before) == []

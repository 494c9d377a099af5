import pytest
import torch
from torch import nn

from regard.data import load_images


@pytest.fixture(scope="session")
def stripes(tmp_path_factory, write_stripes):
    """24 train and 8 test images of 8×8 pixels in two classes."""
    return load_images(write_stripes(tmp_path_factory.mktemp("stripes")))


@pytest.fixture
def make_net():
    """A network of seeded weights, with everything that has a state of its own in training.

    Its second convolution is the one whose weights lie otherwise in memory where channels are last.
    """

    def make(channels: int = 1, classes: int = 2, seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(channels, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Conv2d(8, 8, 3),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(32, classes),
        )

    return make

"""Small data that several rooms use."""

import signal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# No test is timed: a busy machine must not fail one.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


# A shell that starts the tests in the background leaves Ctrl-C ignored, and children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _stripes(count: int, size: int, seed: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright band: class 0 lying, 1 standing, 2 none."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 90, (count, size, size), np.uint8)
    labels = (np.arange(count) % classes).astype(np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        at = int(generator.integers(0, size - 2))
        band = image[at : at + 2] if label == 0 else image[:, at : at + 2]
        if label < 2:
            band += 140
    return pixels, labels


def _idx(path: Path, array: np.ndarray) -> None:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(head + array.tobytes())


@pytest.fixture(scope="session")
def write_stripes():
    """A folder of IDX files with grey images of two or three classes, easy to tell apart."""

    def write(
        folder: Path, train: int = 24, test: int = 8, size: int = 8, classes: int = 2
    ) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for seed, (part, count) in enumerate((("train", train), ("t10k", test))):
            pixels, labels = _stripes(count, size, seed, classes)
            _idx(folder / f"{part}-images-idx3-ubyte", pixels)
            _idx(folder / f"{part}-labels-idx1-ubyte", labels)
        return folder

    return write

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def make_album():
    """Class folders of small images, all pixels of all images different in content."""

    def make(root: Path, counts: dict[str, int], size=(6, 5), mode="RGB", start=0) -> Path:
        generator = np.random.default_rng(start)
        for name, count in counts.items():
            (root / name).mkdir(parents=True)
            for number in range(count):
                shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
                pixels = generator.integers(0, 256, shape, np.uint8)
                Image.fromarray(pixels, mode).save(root / name / f"{number:03}.png")
        return root

    return make


@pytest.fixture
def idx_bytes():
    """An IDX file written from its description, sharing no code with the reader."""

    def write(array: np.ndarray) -> bytes:
        header = bytes([0, 0, 8, array.ndim])
        return header + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()

    return write

import gzip
import math
import struct

import numpy as np
import pytest
import torch

from regard.errors import RegardError
from regard.explaining.images import recipe
from regard.explaining.images.network import load_shipped_images

COUNTS = {"train": 40, "t10k": 20}


@pytest.fixture
def fashion(tmp_path):
    for role, count in COUNTS.items():
        labels = np.arange(count, dtype=np.uint8) % 10
        images = np.zeros((count, 28, 28), np.uint8) + labels[:, None, None] * 20
        head = struct.pack(">4I", 0x803, count, 28, 28)
        named = (("images-idx3", head + images.tobytes()),
                 ("labels-idx1", struct.pack(">2I", 0x801, count) + labels.tobytes()))  # fmt: skip
        for name, data in named:
            (tmp_path / f"{role}-{name}-ubyte.gz").write_bytes(gzip.compress(data))
    return tmp_path


def test_the_recipe_makes_what_the_package_loads(fashion, monkeypatch):
    monkeypatch.setattr(recipe, "STEPS", 2)
    (folder := fashion / "weights").mkdir()
    recipe.main(str(fashion), str(folder), "0.002")
    monkeypatch.setattr("regard.explaining.images.network.files", lambda _: fashion)
    found = load_shipped_images()
    assert (found.facts["learned"], found.facts["held"]) == (40, 20)
    assert set(found.facts) >= {"se", "eca", "cbam", "ungated", "unwarped"}
    assert (folder / "images.safetensors").stat().st_size < 150_000


def test_other_files_are_refused(fashion):
    (fashion / "t10k-images-idx3-ubyte.gz").unlink()
    (fashion / "t10k-labels-idx1-ubyte.gz").unlink()
    data = struct.pack(">4I", 0x803, 40, 2, 2) + bytes(160)
    (fashion / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(data))
    with pytest.raises(RegardError, match="Fashion-MNIST would work"):
        recipe.read(str(fashion))


def test_what_is_distorted_is_there_whole_and_smaller(monkeypatch):
    """Not turned, a white picture covers 28 of its pixels, each so wide, both ways."""
    monkeypatch.setattr(recipe, "TURN", 0.0)
    pixels = torch.full((50, 1, 28, 28), 255, dtype=torch.uint8)
    found = recipe.distort(pixels, torch.Generator().manual_seed(0))
    draws = torch.rand(4, 50, generator=torch.Generator().manual_seed(0))
    scale = recipe.SMALLEST + (1 - recipe.SMALLEST) * draws[1]
    inside = scale < 0.9  # of the largest, half a pixel hangs over the edge of the canvas
    side = 28 * scale * 31 / 27
    assert torch.allclose(found.sum((1, 2, 3)).sqrt()[inside], side[inside], rtol=0.02)
    assert found.max() <= 1


def test_pictures_are_turned_as_far_as_said():
    assert math.degrees(recipe.TURN) == pytest.approx(45)

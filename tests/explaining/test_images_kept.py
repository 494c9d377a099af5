import json

import numpy as np
import pytest
from PIL import Image

import regard
from regard.comparison.arms import arm_of, plain_arm
from regard.comparison.trained import train_one
from regard.data import Images, Split
from regard.errors import RegardError
from regard.explaining.images.kept import look_kept
from regard.tasks import ImageTask
from regard.training import Budget


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Train a network on a few made-up pictures for an epoch, and give its folder."""
    folder = tmp_path_factory.mktemp("kept-images")
    draws = np.random.default_rng(0)
    pixels = draws.integers(0, 256, (24, 3, 20, 24), np.uint8)
    labels = np.arange(24, dtype=np.int64) % 2
    data = Images(Split(pixels, labels), Split(pixels, labels), ("<cat>", "dog"), "made & up")

    def make(mechanism=None):
        place = folder / str(mechanism).partition("(")[0]
        arm = arm_of(mechanism, "images") if mechanism else plain_arm("small", "images")
        train_one(ImageTask.of(data), "small", arm, Budget(epochs=1, batch=8), place)
        return place

    return make


@pytest.fixture
def picture(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (30, 50, 3), np.uint8)
    Image.fromarray(pixels).save(path := tmp_path / "photo.png")
    return path


@pytest.mark.parametrize(
    ("mechanism", "there", "absent"),
    [
        ("se", {"maps", "se"}, {"eca", "cbam", "warp"}),
        ("eca", {"maps", "eca"}, {"se", "cbam", "warp"}),
        ("cbam(variant=paper)", {"maps", "cbam"}, {"se", "eca", "warp"}),
        ("spatial_transformer", {"warp"}, {"maps", "se", "eca", "cbam"}),
    ],
    ids=str,
)
def test_the_page_has_what_the_network_has(network, picture, mechanism, there, absent):
    page = regard.explain(picture, on=network(mechanism)).html()
    data = json.loads(page.split('id="numbers">')[1].split("</script>")[0])
    assert there <= set(data)
    assert not absent & set(data)
    assert "made &amp; up" in page
    assert "&lt;cat&gt;" in page
    assert "Fashion-MNIST" not in page
    assert ('id="warp-controls"' in page) == ("warp" in there)
    assert ('id="hand-eca-u"' in page) == ("eca" in there)


def test_black_and_white_are_told_for_each_channel(network, picture):
    look = look_kept(network("spatial_transformer"), picture)
    assert look.moved
    assert len(look.levels) == 3
    low, high = zip(*look.levels, strict=True)
    assert look.x.amin() >= min(low) - 1e-5
    assert look.x.amax() <= max(high) + 1e-5


def test_a_network_without_any_of_them_is_refused(network, picture):
    with pytest.raises(RegardError, match="none of se, eca, cbam"):
        regard.explain(picture, on=network())


def test_texts_and_pictures_are_not_taken_for_each_other(network, picture, kept):
    with pytest.raises(RegardError, match="for images; give it an image"):
        regard.explain("a cat", on=network())
    with pytest.raises(RegardError, match="for tagging; give it a text"):
        regard.explain(picture, on=kept("tagging", "transformer"))

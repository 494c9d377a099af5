import numpy as np
import pytest
from PIL import Image

from regard.comparison.arms import arm_of, plain_arm
from regard.comparison.trained import train_one
from regard.data.text.cues import cues
from regard.data.text.toy import toy
from regard.tasks import Reading, TaggingTask, TranslationTask, open_task
from regard.tasks.opening import codec_of
from regard.training import Budget


@pytest.fixture(scope="session")
def kept(tmp_path_factory):
    """Train a network on a few made-up texts for an epoch, once, and give its folder."""
    folder = tmp_path_factory.mktemp("kept")

    def make(kind, host, mechanism=None, dim=16):
        place = folder / "".join(c if c.isalnum() else "_" for c in f"{kind}{host}{mechanism}{dim}")
        corpus = cues(40, 20) if kind == "tagging" else toy(40, 20)
        task = TaggingTask if kind == "tagging" else TranslationTask
        made = task(corpus, codec_of(corpus, "made", Reading(), dim), "accuracy")
        arm = arm_of(mechanism, kind) if mechanism else plain_arm(host, kind)
        train_one(made, host, arm, Budget(epochs=1, batch=16), place)
        return place

    return make


@pytest.fixture(scope="session")
def kept_on_images(tmp_path_factory):
    """Train the small host with a mechanism on a few pictures in colour for an epoch."""
    folder = tmp_path_factory.mktemp("kept")
    noise = np.random.default_rng(0)
    for kind in ("<b>dark", "light"):
        (folder / "data" / kind).mkdir(parents=True)
        for k in range(12):
            pixels = noise.integers(0, 120 if kind == "light" else 255, (20, 16, 3), np.uint8)
            Image.fromarray(pixels).save(folder / "data" / kind / f"{k}.png")

    def make(mechanism):
        place = folder / "".join(c if c.isalnum() else "_" for c in mechanism)
        task = open_task(str(folder / "data"), Reading())
        train_one(task, "small", arm_of(mechanism, "images"), Budget(epochs=1, batch=8), place)
        return place

    return make

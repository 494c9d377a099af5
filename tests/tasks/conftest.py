import pytest

from regard.data import load_images
from regard.data.text.cues import cues
from regard.data.text.reviews import reviews
from regard.data.text.toy import toy
from regard.tasks import ClassificationTask, Reading, TaggingTask, TranslationTask
from regard.tasks.opening import codec_of


@pytest.fixture(scope="session")
def stripes(tmp_path_factory, write_stripes):
    """24 train and 8 test images of 8×8 pixels in two classes."""
    return load_images(write_stripes(tmp_path_factory.mktemp("stripes")))


@pytest.fixture(scope="session")
def pairs():
    """48 train and 12 test pairs of the toy language."""
    return TranslationTask(*made("toy", toy(48, 12)), "exact")


@pytest.fixture(scope="session")
def tags():
    """48 train and 12 test sentences with tags."""
    return TaggingTask(*made("cues", cues(48, 12)), "accuracy")


@pytest.fixture(scope="session")
def texts():
    """48 train and 12 test texts with a class."""
    return ClassificationTask(*made("reviews", reviews(48, 12)), "accuracy")


def made(name, corpus):
    """A corpus and its codec, 16 wide."""
    return corpus, codec_of(corpus, name, Reading(), 16)

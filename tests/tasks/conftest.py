import pytest

from regard.data import load_images


@pytest.fixture(scope="session")
def stripes(tmp_path_factory, write_stripes):
    """24 train and 8 test images of 8×8 pixels in two classes."""
    return load_images(write_stripes(tmp_path_factory.mktemp("stripes")))

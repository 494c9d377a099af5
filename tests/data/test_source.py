import os

import pytest

from regard.data import load_images
from regard.errors import RegardError

FORMS = r"[\s\S]*what works: the word digits; .*sub-folder[\s\S]*IDX files"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size is 0; expected"),
        ({"seed": -1}, "seed is -1; expected"),
        ({"validation": 1.0}, "validation is 1.0; expected"),
        ({"validation": -0.1}, "validation is -0.1; expected"),
        ({"validation": float("nan")}, "validation is nan; expected"),
        ({"on_bad": "ignore"}, "on_bad is 'ignore'; expected 'error' or 'skip'"),
    ],
)
def test_an_option_out_of_range_is_told(options, message):
    with pytest.raises(RegardError, match=message):
        load_images("digits", **options)


def test_a_word_near_digits_is_told():
    with pytest.raises(RegardError, match=f"no folder digit; nearest: digits{FORMS}") as caught:
        load_images("digit")
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize("path", ["./digits", "/nowhere/digits"])
def test_a_path_that_ends_in_digits_is_told_the_plain_word(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    message = f"asked for by digits alone, without a path{FORMS}"
    with pytest.raises(RegardError, match=message) as caught:
        load_images(path)
    assert "nearest" not in str(caught.value)


def test_digits_too_small_to_read_are_refused_in_the_words_of_the_question():
    with pytest.raises(RegardError, match=r"^size is 15; the embedded digits need 16 pixels"):
        load_images("digits", size=15)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(RegardError, match=f"nowhere{FORMS}"):
        load_images(tmp_path / "nowhere")


def test_a_file_is_named(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").touch()
    with pytest.raises(RegardError, match=f"train-images-idx3-ubyte is a file{FORMS}"):
        load_images(tmp_path / "train-images-idx3-ubyte")


def test_a_folder_of_something_else_is_told_with_what_it_holds(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RegardError, match=f"empty is no data .*found nothing{FORMS}"):
        load_images(tmp_path / "empty")
    for number in range(5):
        (tmp_path / "empty" / f"{number}.csv").touch()
    with pytest.raises(RegardError, match=f"found '0.csv', '1.csv', '2.csv' and 2 more{FORMS}"):
        load_images(tmp_path / "empty")


def test_a_folder_called_digits_is_reached_by_its_path(tmp_path, make_album, monkeypatch):
    make_album(tmp_path / "digits", {"zero": 2, "one": 2})
    monkeypatch.chdir(tmp_path)
    assert load_images("./digits").classes == ("one", "zero")
    assert load_images("digits").classes == tuple("0123456789")


def test_home_is_understood(tmp_path, make_album, monkeypatch):
    make_album(tmp_path / "pets", {"cat": 2, "dog": 2})
    monkeypatch.setenv("HOME", os.fspath(tmp_path))
    assert load_images("~/pets").name == "pets"

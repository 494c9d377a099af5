import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)
    Image.fromarray(pixels).save(path := tmp_path / "photo.png")
    return path


def test_it_writes_a_page_and_figures_and_answers(regard, photo, tmp_path):
    page, figures = tmp_path / "see.html", tmp_path / "figures"
    code, out, err = regard(
        "see", "small", "--input", photo, "--size", 16, "--classes", 3, "--with",
        "eca@layer*.0.bn2", "--out", page, "--figures", figures,
    )  # fmt: skip
    assert (code, err.splitlines()[0]) == (0, "maps")
    assert "Explained is its answer" in out
    assert f"page: {page}" in out
    assert "Channel gates</h2>" in page.read_text(encoding="utf-8")
    assert (figures / "maps.safetensors").exists()


def test_json_and_chosen_layers(regard, photo, tmp_path):
    code, out, _ = regard(
        "see", "small", "--input", photo, "--size", 16, "--with", "se@layer*.0.bn2", "--at",
        "layer2.**", "--target", 1, "--no-tests", "--json", "--out", tmp_path / "see.html",
    )  # fmt: skip
    facts = json.loads(out)
    assert code == 0
    assert {m["site"].split(".")[0] for m in facts["maps"]} == {"layer2"}
    assert "the class asked for" in facts["answer"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "takes one input"),
        (("--text", "a cat"), "takes pictures"),
        (("--input", "gone.png"), "gone.png gives no image"),
        (("--input", "gone.txt"), "gone.txt gives no text"),
        (("--input", "PHOTO", "--out", "see.pdf"), "written as .html"),
        (("--input", "PHOTO", "--out", "nowhere/see.html"), "there is no folder"),
        (("--input", "PHOTO", "--at", "layer9"), "matches no module"),
        (("--input", "PHOTO", "--with", "cbma@layer1"), "nearest: cbam"),
        (("--input", "PHOTO", "--with", "cbam"), "where is it plugged"),
        (("--input", "PHOTO", "--target", "12"), "there are 10 classes"),
        (("--input", "PHOTO", "--weights", "gone.safetensors"), "gives no weights"),
    ],
)
def test_mistakes_are_told_in_a_line_or_two(regard, photo, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    given = [str(photo) if a == "PHOTO" else a for a in arguments]
    code, out, err = regard("see", "small", "--size", 16, "--no-tests", *given)
    assert (code, out) == (1, "")
    assert words in err
    assert not (tmp_path / "see.html").exists()


@pytest.fixture
def folder(tmp_path):
    numbers = np.random.default_rng(1)
    for number, name in enumerate(("dark", "<script>")):
        (place := tmp_path / "classes" / name).mkdir(parents=True)
        for k in range(3):
            pixels = numbers.integers(100 * number, 100 * number + 60, (20, 20, 3), np.uint8)
            Image.fromarray(pixels).save(place / f"{k}.png")
    return tmp_path / "classes"


def test_gates_by_class_and_depth_are_those_of_the_images_of_each_class(regard, folder, tmp_path):
    page = tmp_path / "gates.html"
    given = ("see", "small", "--input", folder, "--by-class", "--size", 16, "--with")
    code, out, _ = regard(*given, "se@layer*.0.bn2", "--out", page)
    assert code == 0
    assert [line.split(".")[0] for line in out.splitlines()[1:4]] == ["layer1", "layer2", "layer3"]
    text = page.read_text(encoding="utf-8")
    for title in ("How far classes differ", "Gates by channel", "Gates as lines"):
        assert f"{title}</h2>" in text
    assert "&lt;script&gt;" in text
    code, out, _ = regard(*given, "se@layer*.0.bn2", "--out", page, "--json", "--at", "layer2.**")
    facts = json.loads(out)
    assert facts["classes"] == ["<script>", "dark"]
    assert all(value > 0 for value in facts["spread"].values())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--by-class", "--input", "PHOTO"), "takes a folder with one sub-folder"),
        (("--by-class",), "takes a folder with one sub-folder"),
        (("--by-class", "--input", "FOLDER", "--target", "1"), "goes without"),
        (("--by-class", "--input", "FOLDER"), "no channel gates"),
        (("--by-class", "--input", "FOLDER", "--channels", "1"), "images in colour"),
        (("--by-class", "--input", "EMPTY"), "one sub-folder of images for each class"),
        (("--input", "FOLDER"), "--by-class"),
    ],
)
def test_mistakes_with_classes_are_told(regard, photo, folder, tmp_path, arguments, words):
    (tmp_path / "empty").mkdir()
    known = {"PHOTO": photo, "FOLDER": folder, "EMPTY": tmp_path / "empty"}
    given = [known.get(a, a) for a in arguments]
    code, out, err = regard("see", "small", "--size", 16, *given, "--out", tmp_path / "see.html")
    assert (code, out) == (1, "")
    assert words in err
    assert not (tmp_path / "see.html").exists()

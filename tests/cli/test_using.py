"""regard train, predict and score."""

import io
import json
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from PIL import Image

from regard.data.text.toy import toy


class Made(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(regard):
    """Run the command."""
    return lambda *arguments: Made(*regard(*arguments))


@pytest.fixture
def typed(monkeypatch):
    """Put bytes on standard input."""

    def put(data: bytes) -> None:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data)))

    return put


@pytest.fixture(scope="module")
def pairs_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "pairs.tsv"
    rows = ["\t".join(pair) for pair in toy(60, 1).train.texts()]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory, pairs_file):
    """A kept translator, tagger and classifier."""
    from regard.cli import main

    where = tmp_path_factory.mktemp("kept")
    small = ["--epochs", "1", "--dim", "16"]
    for kind, more in {
        "translation": [str(pairs_file), "--with", "dot", "--measure", "exact", *small],
        "tagging": ["tagging", "--on", "bag", *small],
        "classification": ["classification", "--on", "bag", *small],
    }.items():
        assert main(["train", *more, "--out", str(where / kind)]) == 0
    return where


def test_train_tells_what_was_measured_and_where_it_is(run, pairs_file, tmp_path):
    out = tmp_path / "net"
    made = run("train", str(pairs_file), "--measure", "exact", "--epochs", "1", "--dim", "8",
                  "--out", str(out))  # fmt: skip
    assert made.code == 0
    assert "exact match" in made.out
    assert made.out.rstrip().endswith(f"kept in {out}")
    assert "epoch 1 of 1: loss" in made.err
    again = run("train", str(pairs_file), "--measure", "exact", "--epochs", "1", "--dim", "8",
                   "--out", str(out), "--json")  # fmt: skip
    assert json.loads(again.out)["measures"].keys() == {"exact", "accuracy"}
    assert again.err == ""


LINES = b"\xef\xbb\xbfthe dog sees a cat\r\n\r\n\n  \nthe \xe2\x80\xa8 cat\nno end"


@pytest.mark.parametrize("kind", ["translation", "tagging", "classification"])
def test_one_line_out_for_one_line_in(run, typed, folders, kind):
    typed(LINES)
    made = run("predict", str(folders / kind))
    assert made.code == 0
    lines = made.out.removesuffix("\n").split("\n")
    assert len(lines) == 6
    assert [bool(line) for line in lines[1:4]] == [False] * 3
    if kind == "tagging":
        assert [len(line.split()) for line in lines] == [5, 0, 0, 0, 2, 2]


def test_a_mark_at_the_beginning_and_carriage_returns_change_nothing(run, typed, folders):
    answers = []
    for data in (b"she mostly walk\n", b"\xef\xbb\xbfshe mostly walk\r\n", b"she mostly walk"):
        typed(data)
        answers.append(run("predict", str(folders / "tagging")).out)
    assert len(set(answers)) == 1


def test_nothing_in_nothing_out(run, typed, folders):
    typed(b"")
    assert run("predict", str(folders / "tagging")).out == ""
    typed(b"\n")
    assert run("predict", str(folders / "tagging")).out == "\n"


def test_what_is_no_utf8_is_named_by_its_line(run, typed, folders):
    typed(b"good\nbad \xff here\n")
    made = run("predict", str(folders / "tagging"))
    assert (made.code, made.out) == (1, "")
    assert "standard input, line 2: byte 5 (0xff) is no UTF-8" in made.err
    assert len(made.err.splitlines()) <= 3


def test_answers_as_json_stand_beside_their_lines(run, typed, folders):
    typed(b"she walk\n\n")
    made = run("predict", str(folders / "tagging"), "--json")
    first, second = json.loads(made.out)
    assert first["input"] == "she walk"
    assert len(first["output"].split()) == 2
    assert second == {"input": "", "output": ""}


def test_a_beam_is_for_translation(run, typed, folders):
    typed(b"the dog sees a cat\n")
    assert run("predict", str(folders / "translation"), "--beams", "2").code == 0
    made = run("predict", str(folders / "tagging"), "--beams", "2")
    assert "beams are for translation; this network is for tagging" in made.err


def test_a_network_without_its_attention_is_trained_too(run, pairs_file, tmp_path):
    arguments = ("--measure", "exact", "--epochs", "1", "--dim", "8", "--json", "--out")
    sizes = []
    for name, more in (("own", ()), ("none", ("--with", "none"))):
        run("train", str(pairs_file), *more, *arguments, str(tmp_path / name))
        sizes.append((tmp_path / name / "network.safetensors").stat().st_size)
    assert sizes[0] > sizes[1]


def test_score_measures_on_data(run, folders):
    made = run("score", str(folders / "tagging"), "tagging")
    assert made.code == 0
    assert made.out.startswith("cues, test part\naccuracy")
    facts = json.loads(run("score", str(folders / "tagging"), "tagging", "--json").out)
    assert 0 < facts["accuracy"] < 1
    assert facts["data"] == "cues"


def test_score_prints_the_signature_of_bleu(run, folders, pairs_file):
    made = run("score", str(folders / "translation"), str(pairs_file), "--measure", "bleu")
    assert "BLEU: nrefs:1|case:mixed" in made.out
    assert "chrF" in made.out


def test_a_network_on_images_answers_paths_with_classes(run, typed, stripes, tmp_path):
    out = tmp_path / "net"
    assert run("train", str(stripes), "--with", "se", "--epochs", "1", "--out", str(out)).code == 0
    Image.new("L", (20, 30), 90).save(tmp_path / "a.png")
    typed(f"{tmp_path / 'a.png'}\n\n".encode())
    made = run("predict", str(out))
    assert made.out.split("\n")[0] in ("0", "1")
    assert made.out.split("\n")[1] == ""
    typed(f"{tmp_path / 'gone.png'}\n".encode())
    made = run("predict", str(out))
    assert made.code == 1
    assert "gone.png gives no image" in made.err
    assert run("score", str(out), str(stripes)).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "tagging", "--on", "small", "--out", "x"), "no network for tagging is called"),
        (("train", "tagging", "--with", "multihead,linear", "--out", "x"), "one attention is"),
        (("train", "nowhere.conllu", "--out", "x"), "no file or folder nowhere.conllu"),
        (("train", "digits", "--task", "tagging", "--out", "x"), "digits is for images, not for"),
        (("predict", "nowhere"), "nowhere holds no network of `regard train`"),
        (("score", "nowhere", "tagging"), "nowhere holds no network of `regard train`"),
        (("compare", "tagging", "--measure", "bleu"), "tagging has no measure 'bleu'"),
        (("compare", "nowhere.csv"), "no file or folder nowhere.csv"),
        (("compare", "translation", "--unit", "syllables"), "no unit 'syllables' of text"),
        (("compare", "translation", "--with", "none,multihed"), "nearest: multihead"),
    ],
)
def test_what_cannot_be_done_is_said(run, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    made = run(*arguments)
    assert (made.code, made.out) == (1, "")
    assert said in made.err
    assert len(made.err.splitlines()) <= 3

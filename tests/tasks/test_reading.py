import pytest

from regard.errors import RegardError
from regard.tasks import Reading
from regard.tasks.reading import EMBEDDED, kind_of, measure_of

FORMS = {
    "a.conllu": ("1\tdog\t_\tN\t_\t_\t_\t_\t_\t_\n", "tagging"),
    "a.csv": ("text,label\na,b\n", "classification"),
    "a.jsonl": ('{"text": "a", "label": "b"}\n', "classification"),
    "a.tsv": ("text\tlabel\na\tb\n", "classification"),
    "b.tsv": ("Hi.\tSalut.\n", "translation"),
    "cmn.txt": ("Hi.\t嗨。\tCC-BY\n", "translation"),
    "pairs": ("one\ttwo\n", "translation"),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_form_of_a_file_tells_its_task(tmp_path, name):
    content, kind = FORMS[name]
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert kind_of(str(tmp_path / name), Reading()) == kind


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("train.conllu", "test.conllu"), "tagging"),
        (("train.csv",), "classification"),
        (("train.en", "train.zh", "test.en", "test.zh"), "translation"),
        (("train.tsv", "test.tsv"), "translation"),
        (("train-images-idx3-ubyte", "t10k-images-idx3-ubyte"), "images"),
        ((), "images"),
    ],
)
def test_so_do_the_names_in_a_folder(tmp_path, names, kind):
    for name in names:
        (tmp_path / name).write_text("a\tb\n")
    assert kind_of(str(tmp_path), Reading()) == kind


def test_what_is_said_counts_more_than_the_form(tmp_path):
    (tmp_path / "a.csv").write_text("en,de\na,b\n")
    path = str(tmp_path / "a.csv")
    assert kind_of(path, Reading(task="translation")) == "translation"
    assert kind_of(str(tmp_path / "a.txt"), Reading(target="b.txt")) == "translation"


def test_a_form_that_tells_nothing_is_asked_about(tmp_path):
    (tmp_path / "lines.txt").write_text("one\ntwo\n")
    with pytest.raises(RegardError, match=r"its form does not tell the task; say --task"):
        kind_of(str(tmp_path / "lines.txt"), Reading())
    with pytest.raises(RegardError, match="no task is called 'taging'; nearest: tagging"):
        Reading(task="taging")
    with pytest.raises(RegardError, match="cues is for tagging, not for translation"):
        kind_of("cues", Reading(task="translation"))


def test_measures_are_those_of_the_task(tmp_path):
    (tmp_path / "a.tsv").write_text("a\tb\n")
    own = str(tmp_path / "a.tsv")
    assert measure_of(own, Reading()) == "bleu"
    assert measure_of(own, Reading(measure="chrf")) == "chrf"
    assert {measure_of(name, Reading()) for name in EMBEDDED} == {"accuracy", "exact"}
    with pytest.raises(RegardError, match="translation has no measure 'f1'; it has exact, bleu"):
        measure_of(own, Reading(measure="f1"))

"""What networks on text attended to, from a trial's folder into the report."""

import json
import re
import xml.etree.ElementTree as ElementTree

import pytest
from safetensors import safe_open

from regard.comparison import Comparison, compare, report
from regard.comparison.matrices import matrices
from regard.comparison.spec import MAPS
from regard.tasks import Reading, open_task
from regard.training import Budget

EVIL = "<script>alert(1)</script>"
ONE = Budget(epochs=1, batch=16)


def parse(text):
    quiet = re.sub(r"(<(script|style)>).*?(</\2>)", r"\1\3", text, flags=re.DOTALL)
    return ElementTree.fromstring(quiet.removeprefix("<!DOCTYPE html>\n"))


@pytest.fixture
def made(text_plan, tmp_path, in_process):
    """A finished comparison of a kind, one seed."""

    def make(kind, mechanisms):
        plan = text_plan(kind, mechanisms=mechanisms, seeds=(0,), budget=ONE)
        found = compare(plan, out=tmp_path, executor=in_process)
        keys = {arm: tmp_path / "trials" / t["0"] for arm, t in found.grid["trials"].items()}
        return found, keys

    return make


def kept(folder):
    with safe_open(folder / MAPS, framework="np") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return json.loads(file.metadata()["texts"]), tensors


def test_an_alignment_has_a_row_for_each_token_written_and_a_column_for_each_read(made, text_plan):
    _, folders = made("translation", "none,dot,transformer")
    assert not (folders["none"] / MAPS).exists()
    plan = text_plan("translation")
    task = open_task(plan.data, plan.reading, dim=16)
    sources = [task.data.test.source[row] for row in task.shown()]
    for arm, heads in (("dot", 1), ("transformer", 4)):
        texts, maps = kept(folders[arm])
        assert [" ".join(text["columns"]) for text in texts] == sources
        for key, weights in maps.items():
            text = texts[int(key.split("/")[0])]
            assert weights.shape == (heads, len(text["rows"]), len(text["columns"]))
            assert weights.sum(-1) == pytest.approx(1, abs=1e-4)
    assert all("cross" in key for key in kept(folders["transformer"])[1])


@pytest.mark.parametrize(
    ("kind", "arm", "looks"),
    [
        ("tagging", "multihead", 4),
        ("classification", "transformer(layers=1)", 4),
        ("classification", "bigru(pooling=attention)", 1),
    ],
)
def test_words_look_at_words_and_a_pooling_at_all_of_them(made, kind, arm, looks):
    _, folders = made(kind, f"none,{arm}")
    texts, maps = kept(folders[arm])
    assert len(texts) == 3
    for key, weights in maps.items():
        columns = len(texts[int(key.split("/")[0])]["columns"])
        assert weights.shape == (looks, 1 if "pooling" in key else columns, columns)


def test_the_report_shows_them_with_their_tokens(made):
    found, _ = made("translation", "none,dot,transformer")
    text = report(found).html()
    tree = parse(text)
    titles = re.findall(r"<h2[^>]*>([^<]*)</h2>", text)
    assert "What the mechanisms attended to" in titles
    assert "Exact match by length" in titles
    assert "Exact match against the length of the source" in text
    assert "to be written" in text
    assert any("dot, seed 0" in "".join(h.itertext()) for h in tree.iter("h3"))
    assert not re.search(r"\bnan\b|>[^<]*\bNone\b", re.sub(r"data:image[^\"]*", "", text))


def test_the_report_of_labels_has_curves_of_all_measures(made):
    found, _ = made("tagging", "none,multihead")
    text = report(found).html()
    assert "Macro F1 on test after each epoch" in text
    assert "Accuracy on test after each epoch" in text
    assert "Other measures on test, means over seeds" in text
    assert "difference to &#x27;none&#x27;" in text or "difference to 'none'" in text
    assert "images" not in re.sub(r"data:image[^\"]*|<style>.*?</style>", "", text, flags=re.S)


def test_text_from_data_is_inert(tmp_path, text_plan, in_process, capsys):
    lines = [
        f"{EVIL} a b {'c ' * (i % 3)}d\t{EVIL} \x1b[31m y {'z ' * (i % 3)}w" for i in range(40)
    ]
    lines = [f"{line} n{i}" for i, line in enumerate(lines)]
    (tmp_path / "evil.tsv").write_text("\n".join(lines), encoding="utf-8")
    plan = text_plan(
        "translation", data=str(tmp_path / "evil.tsv"), mechanisms="none,dot", seeds=(0,),
        reading=Reading(measure="exact"), budget=ONE,
    )  # fmt: skip
    found = compare(plan, out=tmp_path / "out", executor=in_process)
    tree = parse(report(found).html())
    assert len(list(tree.iter("script"))) == 1
    assert "\x1b" not in report(found).html()
    found.show()
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "damage", [b"", b"no tensors", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "]
)
def test_damaged_maps_are_told_in_the_page(made, damage):
    _, folders = made("tagging", "none,multihead")
    (folders["multihead"] / MAPS).write_bytes(damage)
    (told,) = matrices(folders["multihead"])
    assert "cannot be shown" in str(told)


def test_a_report_is_made_of_what_is_finished(made, tmp_path):
    _, folders = made("tagging", "none,multihead,bigru")
    (folders["multihead"] / "result.json").unlink()
    text = report(Comparison.load(tmp_path)).html()
    parse(text)
    assert "2 of 3 trials are finished" in text


def test_what_does_not_fit_a_page_is_left_out_and_counted(made):
    _, folders = made("translation", "none,transformer")
    whole, cut = (matrices(folders["transformer"], room) for room in (10**9, 1))
    count = "".join(whole).count("<figure")
    assert "".join(cut).count("<figure") == 1
    assert f"{count - 1} more maps are kept in {MAPS}" in cut[-1]
    assert "more maps" not in "".join(whole)

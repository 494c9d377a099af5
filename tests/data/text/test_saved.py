"""Hugging Face data sets: folders written here by pyarrow as the library's format says."""

import json
import sys

import pytest

from regard.data.text import load_classification, load_tagging, load_translation
from regard.data.text.saved import is_saved, read_saved, saved_splits, text_columns
from regard.errors import RegardError

LABEL = {"names": ["neg", "pos"], "_type": "ClassLabel"}
TEXT = {"dtype": "string", "_type": "Value"}


def describe(folder, features, files=("data-00000-of-00001.arrow",), **state):
    folder.mkdir(parents=True, exist_ok=True)
    names = [{"filename": name} for name in files]
    (folder / "state.json").write_text(json.dumps({"_data_files": names, **state}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    return folder


def save(folder, columns, features, shards=1):
    arrow = pytest.importorskip("pyarrow")
    files = [f"data-{n:05}-of-{shards:05}.arrow" for n in range(shards)]
    describe(folder, features, files)
    for number, name in enumerate(files):
        part = {key: values[number::shards] for key, values in columns.items()}
        table = arrow.table(part)
        with arrow.ipc.new_stream(str(folder / name), table.schema) as stream:
            stream.write_table(table)
    return folder


def test_class_labels_become_their_names_and_missing_ones_are_counted(tmp_path):
    columns = {"text": [f"t{n}" for n in range(10)], "label": [0, 1] * 4 + [1, -1]}
    made = load_classification(save(tmp_path / "d", columns, {"text": TEXT, "label": LABEL}))
    assert made.classes == ("neg", "pos")
    assert len(made.train) + len(made.test) == 9
    assert made.notes[0] == "skipped rows without a label: 1 (d, line 10)"


def test_splits_are_parts(tmp_path):
    for name, count in (("train", 4), ("test", 2), ("validation", 3), ("extra", 9)):
        columns = {
            "text": [f"{name}{n}" for n in range(count)],
            "label": [n % 2 for n in range(count)],
        }
        save(tmp_path / "d" / name, columns, {"text": TEXT, "label": LABEL})
    names = ["train", "extra", "validation", "test"]
    (tmp_path / "d" / "dataset_dict.json").write_text(json.dumps({"splits": names}))
    made = load_classification(tmp_path / "d")
    assert [len(part) for part in made.splits().values()] == [4, 2, 3]


def test_a_translation_column_needs_no_names(tmp_path):
    rows = [{"en": f"word {n}", "zh": f"字{n}"} for n in range(10)]
    features = {"id": TEXT, "translation": {"languages": ["en", "zh"], "_type": "Translation"}}
    folder = save(tmp_path / "d", {"id": list("abcdefghij"), "translation": rows}, features)
    made = load_translation(folder)
    assert sorted(p for part in made.splits().values() for p in part.texts()) == sorted(
        (row["en"], row["zh"]) for row in rows
    )
    turned = load_translation(folder, columns=("translation.zh", "translation.en"))
    assert turned.fingerprint == load_translation(folder, reverse=True).fingerprint


def test_lists_of_words_and_tags_in_several_files(tmp_path):
    words = [[f"w{n}", "end"] for n in range(12)]
    for name, kind in (("new", {"feature": LABEL, "_type": "List"}), ("old", [LABEL])):
        features = {"tokens": {"feature": TEXT, "_type": "List"}, "tags": kind}
        columns = {"tokens": words, "tags": [[0, 1]] * 12}
        made = load_tagging(save(tmp_path / name, columns, features, shards=3), tags="tags")
        assert made.classes == ("neg", "pos")
        sentences = [p.sentence(n)[0] for p in made.splits().values() for n in range(len(p))]
        assert sorted(sentences) == sorted(words)


@pytest.mark.parametrize(
    ("tokens", "tags", "message"),
    [
        ([["a", "b"]], [[0]], "row 1: .*found 2 items and 1 items"),
        (["a b"], [[0]], "row 1: .*found a str and 1 items"),
    ],
)
def test_rows_that_are_no_sentences_are_told(tmp_path, tokens, tags, message):
    features = {"tokens": TEXT, "tags": {"feature": LABEL}}
    folder = save(tmp_path / "d", {"tokens": tokens, "tags": tags}, features)
    with pytest.raises(RegardError, match=message):
        load_tagging(folder, tags="tags")


def test_without_pyarrow_what_works_is_told(tmp_path, monkeypatch):
    folder = describe(tmp_path / "d", {"text": TEXT, "label": LABEL})
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RegardError, match=r"pip install 'regard\[text\]', or save the data as CSV"):
        load_classification(folder)


def test_a_column_that_is_not_there_is_told(tmp_path):
    folder = describe(tmp_path / "d", {"sentence": TEXT, "label": LABEL})
    with pytest.raises(RegardError, match="has no column 'text'; it has 'sentence', 'label'"):
        load_classification(folder)
    with pytest.raises(RegardError, match="has the columns of text 'sentence'; name two as"):
        load_translation(folder)


@pytest.mark.parametrize("name", ["../secret.arrow", "/etc/passwd", "..", "", 7, "a\\b"])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path, name):
    pytest.importorskip("pyarrow")
    folder = describe(tmp_path / "d", {"text": TEXT, "label": LABEL}, files=[name])
    with pytest.raises(RegardError, match="names no Arrow files"):
        load_classification(folder)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": [name]}))
    with pytest.raises(RegardError, match="names no splits"):
        saved_splits(folder)


def test_damaged_folders_are_told(tmp_path):
    pytest.importorskip("pyarrow")
    folder = describe(tmp_path / "d", {"text": TEXT, "label": LABEL})
    with pytest.raises(RegardError, match=r"00001\.arrow cannot be read: FileNotFoundError"):
        list(read_saved(folder, ["text"]))
    (folder / "data-00000-of-00001.arrow").write_bytes(b"no arrow file at all")
    with pytest.raises(RegardError, match=r"00001\.arrow cannot be read: Arrow"):
        list(read_saved(folder, ["text"]))
    with pytest.raises(RegardError, match=r"flatten_indices\(\)"):
        list(read_saved(describe(folder, {"text": TEXT}, _indices_files=[{}]), ["text"]))


def test_damaged_descriptions_are_told(tmp_path):
    folder = describe(tmp_path / "d", {"text": TEXT})
    assert is_saved(folder)
    for text, message in (("{", "cannot be read"), ("[]", "no JSON object"), ("{}", "no features")):
        (folder / "dataset_info.json").write_text(text)
        with pytest.raises(RegardError, match=message):
            text_columns(folder)
    (folder / "dataset_dict.json").write_text('{"splits": ["other"]}')
    with pytest.raises(RegardError, match="has splits 'other'; expected train, test or validation"):
        load_classification(folder)

import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regard.data.text.conllu import COLUMNS, read_conllu
from regard.data.text.skips import Skips
from regard.errors import RegardError

FIELD = st.text(
    st.characters(categories=["L", "N", "P", "S"], exclude_characters="_"), min_size=1, max_size=5
)
SENTENCES = st.lists(st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=5), max_size=4)


def row(number, form="w", tag="NOUN"):
    return f"{number}\t{form}\t_\t{tag}\tx{tag}\t_\t0\troot\t_\t_"


def write(path, text):
    path.write_text(text, encoding="utf-8", newline="")
    return path


def read(path, column="upos", on_bad="error"):
    return [(s.words, s.tags) for s in read_conllu(path, column, Skips(on_bad))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sentences=SENTENCES, extras=st.booleans(), end=st.sampled_from(["\n", "\r\n"]))
def test_words_and_tags_come_back_without_ranges_and_empty_nodes(tmp_path, sentences, extras, end):
    lines = []
    for sentence in sentences:
        lines.append("# sent_id = s")
        if extras:
            lines += [row("0.1", "ghost"), row("1-2", "both")]
        for number, (word, tag) in enumerate(sentence, start=1):
            lines.append(row(number, word, tag))
            if extras:
                lines.append(row(f"{number}.1", "ghost"))
        lines.append("")
    path = write(tmp_path / "a.conllu", end.join(lines) + end)
    expected = [([w for w, _ in s], [t for _, t in s]) for s in sentences]
    assert read(path) == expected


def test_gzip_comments_and_a_missing_last_empty_line(tmp_path):
    path = tmp_path / "a.conllu.gz"
    path.write_bytes(gzip.compress(f"# newdoc\n# a = b = c\n{row(1, 'x')}".encode()))
    (sentence,) = read_conllu(path, "xpos", Skips())
    assert (sentence.words, sentence.tags, sentence.line) == (["x"], ["xNOUN"], 1)
    assert sentence.comments == {"a": "b = c"}


def test_a_byte_order_mark_and_several_empty_lines(tmp_path):
    path = write(tmp_path / "a.conllu", f"\ufeff\n\n{row(1)}\n\n\n{row(1)}\n\n")
    assert len(read(path)) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (row(2).rpartition("\t")[0], "line 3: 9 columns between tabs; expected the 10"),
        (row(2).replace("\t", " "), "line 3: 1 columns"),
        (row(3), "line 3: id 3; expected 2"),
        (row(1), "line 3: id 1; expected 2"),
        (row("x"), "line 3: id 'x'; expected a number"),
        (row("2-"), "line 3: id '2-'"),
        (row(2, " "), "line 3: a word without a form"),
    ],
)
def test_a_damaged_row_is_told_with_its_line_or_its_sentence_skipped(tmp_path, line, message):
    path = write(tmp_path / "a.conllu", f"# c\n{row(1)}\n{line}\n{row(4)}\n\n{row(1, 'good')}\n\n")
    with pytest.raises(RegardError, match=message):
        read(path)
    skips = Skips("skip")
    assert [s.words for s in read_conllu(path, "upos", skips)] == [["good"]]
    assert skips.notes() == ["skipped sentences with a damaged row: 1 (a.conllu, line 3)"]


def test_a_line_of_broken_utf8_takes_its_sentence_with_it(tmp_path):
    path = tmp_path / "a.conllu"
    path.write_bytes(f"{row(1)}\n".encode() + b"2\t\xff\n\n" + f"{row(1, 'good')}\n".encode())
    assert read(path, on_bad="skip") == [(["good"], ["NOUN"])]


@pytest.mark.parametrize("column", ["pos", "form", "id"])
def test_a_column_that_is_none_of_tags_is_named(tmp_path, column):
    with pytest.raises(RegardError, match=f"no column '{column}' of tags; "):
        read(write(tmp_path / "a.conllu", row(1)), column)


def test_the_columns_are_those_of_the_format():
    assert " ".join(COLUMNS) == "id form lemma upos xpos feats head deprel deps misc"

import pytest

from regard.data.text import load_classification
from regard.errors import RegardError

ROWS = [(f"text {n}", ("no", "yes")[n % 2]) for n in range(40)]


def csv_of(rows=ROWS, comma=",", head=("label", "text")):
    return "".join(comma.join(row) + "\n" for row in (head, *((b, a) for a, b in rows)))


def rows_of(made):
    return sorted(
        (text, made.classes[label])
        for part in made.splits().values()
        for text, label in zip(part.text, part.classes, strict=True)
    )


def test_csv_tsv_and_json_give_the_same_data(write):
    lines = "".join(f'{{"label": "{b}", "text": "{a}"}}\n' for a, b in ROWS)
    paths = [
        write("a.csv", csv_of()),
        write("a.tsv", "\ufeff" + csv_of(comma="\t").replace("\n", "\r\n")),
        write("a.jsonl", lines),
    ]
    made = [load_classification(path) for path in paths]
    assert rows_of(made[0]) == sorted(ROWS)
    assert len({one.fingerprint for one in made}) == 1
    assert (len(made[0].train), len(made[0].test), made[0].classes) == (36, 4, ("no", "yes"))
    assert made[0].test.classes.tolist().count(0) == 2


def test_other_columns_by_name(write):
    path = write("a.csv", csv_of(head=("stars", "review")))
    assert rows_of(load_classification(path, text="review", label="stars")) == sorted(ROWS)
    with pytest.raises(
        RegardError, match=r"no column 'text', 'label'; its first line names 'stars'"
    ):
        load_classification(path)


def test_the_genre_is_what_a_sent_id_begins_with(write, conllu):
    path = write("a.conllu", conllu(*(f"w{n}/X v/X" for n in range(30))))
    made = load_classification(path)
    assert rows_of(made)[:2] == [("w0 v", "genre0"), ("w1 v", "genre1")]
    with pytest.raises(RegardError, match=r"line 1: .*comment '# topic = …'; it has 'sent_id'"):
        load_classification(path, label="topic")


def test_a_label_that_train_lacks_stays_and_is_told(write):
    test = write("t.csv", csv_of([("new", "perhaps"), ("newer", "yes")]))
    made = load_classification(write("a.csv", csv_of()), test=test)
    assert made.classes == ("no", "yes", "perhaps")
    assert made.test.classes.tolist() == [2, 1]
    assert made.notes == (
        "test has labels that train lacks: 'perhaps'; 1 of 2 texts, which no network can get right",
    )


def test_rows_that_say_nothing_are_counted(write):
    rows = [*ROWS, ("", "yes"), ("no label", ""), ("x" * 30, "yes")]
    made = load_classification(write("a.csv", csv_of(rows)), longest=20)
    assert rows_of(made) == sorted(ROWS)
    assert made.notes[:3] == (
        "skipped rows without text: 1 (a.csv, line 42)",
        "skipped rows without a label: 1 (a.csv, line 43)",
        "skipped texts of more than 20 characters: 1 (a.csv, line 44)",
    )


def test_texts_of_a_folder_with_parts(write, tmp_path):
    write("d/train.csv", csv_of())
    write("d/test.csv", csv_of(ROWS[:4]))
    write("d/notes.txt", "about")
    made = load_classification(tmp_path / "d")
    assert (len(made.train), len(made.test)) == (40, 4)
    assert made.notes[0].startswith("4 of 4 texts of test are in train too")


def test_a_folder_with_one_file_is_that_file(write, tmp_path):
    path = write("d/all.csv", csv_of())
    assert load_classification(tmp_path / "d").fingerprint == load_classification(path).fingerprint
    write("d/more.csv", csv_of())
    with pytest.raises(RegardError, match=r"found 'all\.csv', 'more\.csv'; expected files such as"):
        load_classification(tmp_path / "d")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "a.csv holds no text with a label"),
        ("a.jsonl", "", "a.jsonl holds no text with a label"),
        ("a.csv", "text,label\n", "a.csv holds no text with a label"),
        ("a.csv", "text,label\na,x\nb,x\n", "two labels or more in train; found only 'x'"),
    ],
)
def test_a_file_that_is_no_task_is_told(write, name, text, message):
    with pytest.raises(RegardError, match=message):
        load_classification(write(name, text))


def test_a_word_near_the_embedded_one_is_told():
    with pytest.raises(RegardError, match="no file or folder review; nearest: reviews"):
        load_classification("review")

import pytest

from regard.data.text import Translation, load_translation
from regard.errors import RegardError

LINES = [(f"source {n}", f"ziel {n}") for n in range(40)]


def tsv(rows=LINES, end="\n"):
    return "".join(f"{a}\t{b}\tCC-BY{end}" for a, b in rows)


def pairs_of(made):
    return sorted(pair for part in made.splits().values() for pair in part.texts())


def test_columns_of_one_file_become_pairs_and_the_third_is_left(write):
    made = load_translation(write("deu.txt", "\ufeff" + tsv(end="\r\n")))
    assert pairs_of(made) == sorted(LINES)
    assert (made.name, len(made.train), len(made.test)) == ("deu", 36, 4)
    assert made.notes == ("test: 4 of 40 taken, seed 0; shares no text with train",)


def test_two_files_and_columns_give_the_same_data(write):
    one = load_translation(write("a.tsv", tsv()))
    source = write("x.en", "\n".join(a for a, _ in LINES))
    target = write("x.de", "\r\n".join(b for _, b in LINES) + "\r\n")
    two = load_translation(source, target)
    assert one.fingerprint == two.fingerprint
    assert two.notes[0] == "source x.en, target x.de"


def test_reverse_keeps_the_parts_and_turns_the_pairs(write):
    path = write("a.tsv", tsv())
    plain, turned = load_translation(path), load_translation(path, reverse=True)
    for role, part in plain.splits().items():
        assert list(part.texts()) == [(b, a) for a, b in turned.splits()[role].texts()]
    assert plain.fingerprint != turned.fingerprint


@pytest.mark.parametrize(("first", "second"), [(3, 5), (5, 3), (0, 1)])
def test_files_of_unequal_lengths_are_refused_with_both_counts(write, first, second):
    paths = [write(f"x.{n}", "line\n" * count) for n, count in enumerate((first, second))]
    with pytest.raises(RegardError, match=rf"x\.0 has {first} lines and .*x\.1 {second}; line n"):
        load_translation(*paths)


def test_skipped_lines_never_shift_the_others(write, tmp_path):
    source = [f"s{n}".encode() for n in range(12)]
    target = [f"t{n}".encode() for n in range(12)]
    source[2], target[4], source[6], target[6], source[8] = b"\xff", b"", b"", b"", b"x" * 1001
    (tmp_path / "a.s").write_bytes(b"\n".join(source))
    (tmp_path / "a.t").write_bytes(b"\n".join(target))
    with pytest.raises(RegardError, match=r"a\.s, line 3: byte 1 \(0xff\)"):
        load_translation(tmp_path / "a.s", tmp_path / "a.t")
    made = load_translation(tmp_path / "a.s", tmp_path / "a.t", on_bad="skip", test=0.3)
    kept = [n for n in range(12) if n not in (2, 4, 6, 8)]
    assert pairs_of(made) == sorted((f"s{n}", f"t{n}") for n in kept)
    assert made.notes[1:5] == (
        "skipped lines that are no UTF-8: 1 (a.s, line 3)",
        "skipped pairs with one side empty: 1 (a.s, line 5)",
        "skipped empty lines: 1 (a.s, line 7)",
        "skipped pairs of more than 1,000 characters: 1 (a.s, line 9)",
    )


def test_a_folder_of_parts_is_taken_as_it_is(write, tmp_path):
    for role, count in (("train", 5), ("test", 2), ("dev", 3)):
        write(f"d/{role}.en", "".join(f"{role} {n}\n" for n in range(count)))
        write(f"d/{role}.fr", "".join(f"le {role} {n}\n" for n in range(count)))
    write("d/README.md", "about")
    made = load_translation(tmp_path / "d")
    assert {role: len(part) for role, part in made.splits().items()} == {
        "train": 5, "test": 2, "validation": 3,
    }  # fmt: skip
    assert next(made.train.texts()) == ("train 0", "le train 0")


def test_a_test_file_of_ones_own(write):
    made = load_translation(write("a.tsv", tsv()), test=write("b.tsv", tsv(LINES[:2])))
    assert (len(made.train), len(made.test)) == (40, 2)
    assert "2 of 2 source texts of test are in train too" in " ".join(made.notes)


def test_columns_by_name_and_json(write):
    head = "id\tde\ten\n"
    table = write("a.tsv", head + "".join(f"{n}\t{b}\t{a}\n" for n, (a, b) in enumerate(LINES)))
    lines = write("a.jsonl", "".join(f'{{"t": {{"en": "{a}", "de": "{b}"}}}}\n' for a, b in LINES))
    one = load_translation(table, columns=("en", "de"))
    assert one.fingerprint == load_translation(lines, columns=("t.en", "t.de")).fingerprint


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.tsv", "", "a.tsv holds no pair of sentences; train needs some"),
        ("a.tsv", "\n\n", "a.tsv holds no pair"),
        ("a.tsv", "one column\n", r"a\.tsv, line 1: 1 columns; expected 2 or more; mend it"),
    ],
)
def test_a_file_without_pairs_is_told(write, name, text, message):
    with pytest.raises(RegardError, match=message):
        load_translation(write(name, text))


def test_what_is_not_there_is_told(write, tmp_path):
    with pytest.raises(RegardError, match="no file or folder toi; nearest: toy"):
        load_translation("toi")
    write("d/train.a", "x")
    with pytest.raises(RegardError, match=r"line 1: 1 columns"):
        load_translation(tmp_path / "d")
    for name in "bc":
        write(f"d/train.{name}", "x")
    with pytest.raises(RegardError, match=r"expected one file or two.*'train\.a'"):
        load_translation(tmp_path / "d")
    (tmp_path / "e").mkdir()
    with pytest.raises(RegardError, match="found no file of text; expected files such as train"):
        load_translation(tmp_path / "e")
    write("f/test.tsv", "a\tb")
    with pytest.raises(RegardError, match=r"has 'test\.tsv' but no train"):
        load_translation(tmp_path / "f")


def test_embedded_pairs_can_be_held_out_but_have_their_own_test_part(write):
    made = load_translation("dates", validation=0.25)
    assert [len(part) for part in made.splits().values()] == [6000, 1000, 2000]
    assert made.fingerprint != load_translation("dates").fingerprint
    with pytest.raises(RegardError, match="dates is embedded and has its own test part"):
        load_translation("dates", test=write("a.tsv", tsv()))


def test_what_is_saved_comes_back(write, tmp_path):
    made = load_translation(write("a.tsv", tsv()), validation=0.1)
    loaded = Translation.load(made.save(tmp_path / "kept"))
    assert (loaded.name, loaded.notes, loaded.fingerprint) == (
        made.name, made.notes, made.fingerprint,
    )  # fmt: skip
    assert pairs_of(loaded) == sorted(LINES)

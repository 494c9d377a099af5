import gzip

import pytest

from regard.data.text import load_tagging
from regard.errors import RegardError

SENTENCES = [f"dog{n}/NOUN runs/VERB ./PUNCT" for n in range(20)]


def sentences_of(part):
    return [part.sentence(place)[0] for place in range(len(part))]


def test_a_folder_of_parts_as_treebanks_name_them(tmp_path, conllu):
    for role, some in (("train", SENTENCES[:15]), ("dev", SENTENCES[15:]), ("test", ["a/X"])):
        raw = conllu(*some).encode()
        (tmp_path / f"xx_abc-ud-{role}.conllu.gz").write_bytes(gzip.compress(raw))
    (tmp_path / "SOURCE.txt").write_text("about")
    made = load_tagging(tmp_path)
    assert [len(part) for part in made.splits().values()] == [15, 1, 5]
    assert made.classes == ("NOUN", "PUNCT", "VERB", "X")
    assert made.train.sentence(0)[0] == ["dog0", "runs", "."]
    assert [made.classes[tag] for tag in made.train.sentence(0)[1]] == ["NOUN", "VERB", "PUNCT"]
    assert made.notes == (
        "test has labels that train lacks: 'X'; 1 of 1 words, which no network can get right",
    )


def test_one_file_is_divided_without_a_sentence_on_both_sides(write, conllu):
    made = load_tagging(write("a.conllu", conllu(*SENTENCES, *SENTENCES)), test=0.2)
    train, test = (
        {" ".join(words) for words in sentences_of(part)} for part in (made.train, made.test)
    )
    assert not train & test
    assert len(train | test) == 20
    assert len(made.test) == 8


def test_two_files_without_train_are_told_and_can_be_named(write, conllu, tmp_path):
    dev = write("zh-dev.conllu", conllu(*SENTENCES))
    test = write("zh-test.conllu", conllu(*SENTENCES[:3]))
    with pytest.raises(RegardError, match=r"but no train; name the file to train on"):
        load_tagging(tmp_path)
    made = load_tagging(dev, test=test)
    assert (len(made.train), len(made.test), made.name) == (20, 3, "zh-dev")
    assert made.notes[0].startswith("3 of 3 texts of test are in train too")


def test_the_baseline_gives_each_word_its_commonest_tag(write, conllu):
    train = write("a.conllu", conllu("run/NOUN", "run/VERB", "run/VERB", "a/DET", "b/DET c/DET"))
    test = write("b.conllu", conllu("run/VERB run/NOUN a/DET new/DET new/X"))
    made = load_tagging(train, test=test)
    assert made.baseline() == 3 / 5
    assert made.chance() == 2 / 5
    assert "each word's commonest tag is right 60.0%" in made.describe()
    assert "40.0% of the words of test are not in train" in made.describe()


def test_untagged_and_overlong_sentences_are_counted(write, conllu):
    path = write("a.conllu", conllu(*SENTENCES, "a/_", "b/NOUN " * 11))
    made = load_tagging(path, longest=10)
    assert len(made.train) + len(made.test) == 20
    assert made.notes[:2] == (
        "skipped sentences with a word without a tag: 1 (a.conllu, line 101)",
        "skipped sentences of more than 10 words: 1 (a.conllu, line 104)",
    )


def test_taking_sentences_takes_their_words(write, conllu):
    made = load_tagging(write("a.conllu", conllu("a/A b/B", "c/A", "d/B e/A f/B", "g/A")), test=0.3)
    part = made.train
    words = sentences_of(part)
    order = part.tags.lengths.argsort(kind="stable")[::-1]
    taken = part.take(order)
    assert sentences_of(taken) == [words[place] for place in order]
    assert taken.sentence(-1)[0] == words[order[-1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no sentence with tags; train needs some"),
        ("# only a comment\n\n", "holds no sentence with tags"),
        ("1\ta\t_\tX\t_\t_\t0\troot\t_\t_\n", "two labels or more in train; found only 'X'"),
    ],
)
def test_a_file_that_is_no_task_is_told(write, text, message):
    with pytest.raises(RegardError, match=message):
        load_tagging(write("a.conllu", text))


def test_several_files_of_one_part_and_unknown_words_are_told(write, conllu, tmp_path):
    for name in ("en-train", "fr-train"):
        write(f"{name}.conllu", conllu(*SENTENCES))
    with pytest.raises(RegardError, match=r"2 files are train: 'en-train\.conllu', 'fr-train"):
        load_tagging(tmp_path)
    with pytest.raises(RegardError, match="no file or folder cue; nearest: cues"):
        load_tagging("cue")

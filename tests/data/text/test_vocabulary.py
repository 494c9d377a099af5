import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regard.data.text import Ragged, Strings, Vocabulary, build_vocabulary, load_vocabulary
from regard.data.text.vocabulary import BEGIN, END, PAD, SPECIALS, UNKNOWN
from regard.data.text.words import join_words, split_words
from regard.errors import RegardError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
MIXED = st.text(st.sampled_from("abZ9_'.,!?- \t\u3000你好。，ひカ한é\u0301-"), max_size=30)


@given(TEXT | MIXED)
def test_words_join_to_the_text_but_for_its_spaces(text):
    assert join_words(split_words(text)) == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hi, Tom!", [" Hi", ",", " Tom", "!"]),
        ("don't 3.5", [" don", "'", "t", " 3", ".", "5"]),
        ("我是Tom。", [" 我", "是", "Tom", "。"]),
        ("カタ 한국어", [" カ", "タ", " 한국어"]),
        ("e\u0301te\u0301", [" e\u0301te\u0301"]),
        ("𠀀𠀁", [" 𠀀", "𠀁"]),
        ("  ", []),
    ],
)
def test_words_are_runs_of_letters_and_single_signs(text, words):
    assert split_words(text) == words


@given(st.lists(TEXT | MIXED, min_size=1, max_size=5), st.sampled_from(["characters", "words"]))
def test_what_is_known_comes_back(texts, unit):
    if not any(text.split() for text in texts):
        return
    vocabulary = build_vocabulary(texts, unit)
    assert vocabulary.unknown(texts) == 0
    for text in texts:
        numbers = vocabulary.encode(text)
        assert all(len(SPECIALS) <= number < len(vocabulary) for number in numbers)
        expected = text if unit == "characters" else " ".join(text.split())
        assert vocabulary.decode([BEGIN, *numbers, END, PAD, 99_999]) == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(MIXED, min_size=1, max_size=4), st.sampled_from(["characters", "words"]))
def test_what_is_saved_comes_back(tmp_path, texts, unit):
    if not any(text.split() for text in texts):
        return
    saved = build_vocabulary(texts, unit)
    loaded = load_vocabulary(saved.save(tmp_path / "v.json"))
    assert (loaded.tokens, loaded.unit) == (saved.tokens, saved.unit)
    assert loaded.fingerprint == saved.fingerprint


def test_the_commonest_come_first_and_ties_by_code_point():
    texts = ["b a c", "b a", "b d"]
    made = Vocabulary.build(texts, most=3)
    assert made.tokens == (*SPECIALS, " b", " a", " c")
    assert Vocabulary.build(texts[::-1], most=3).fingerprint == made.fingerprint
    assert Vocabulary.build(texts, least=2).tokens[4:] == (" b", " a")
    assert len(made) == 7


def test_unknown_tokens_are_shown_and_counted():
    made = Vocabulary.build(["a b"])
    assert made.encode("a x b") == [4, UNKNOWN, 5]
    assert made.decode(made.encode("a x b")) == "a � b"
    assert made.unknown(["a x", "y z"]) == 3 / 4
    assert Vocabulary.build(["ab"], "characters").decode([4, UNKNOWN]) == "a�"


def test_a_text_that_spells_a_special_token_gets_none():
    made = Vocabulary.of_words(["<pad>", "</s>", "word"])
    assert made.tokens == (*SPECIALS, "word")
    given_words = made.index(Strings.of(["</s>", "word", "<pad>"]), Ragged.of([[0, 0], [0]]))
    assert given_words.values.tolist() == [UNKNOWN, 4, UNKNOWN]
    assert given_words.lengths.tolist() == [2, 1]


def test_many_texts_are_encoded_with_or_without_ends():
    made = Vocabulary.build(["a b"])
    assert [row.tolist() for row in made.encode_all(["b", ""], ends=True)] == [
        [BEGIN, 5, END], [BEGIN, END],
    ]  # fmt: skip
    plain = made.encode_all(["b", ""])
    assert plain.values.dtype == np.int32
    assert [row.tolist() for row in plain] == [[5], []]


def test_another_vocabulary_is_refused_with_both_names():
    first, second = Vocabulary.build(["a"]), Vocabulary.build(["b"])
    first.require(first.fingerprint, "the checkpoint")
    with pytest.raises(RegardError, match=r"checkpoint was made with another vocabulary \(\w{8}; "):
        second.require(first.fingerprint, "the checkpoint")
    assert first.fingerprint != Vocabulary.build(["a"], "characters").fingerprint


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: build_vocabulary(["a"], "letters"), "no unit 'letters' of text; known: char"),
        (lambda: build_vocabulary(["a"], "word"), "no unit 'word' of text; nearest: words"),
        (lambda: Vocabulary.build([" "]), "no token occurs 1 times or more"),
        (lambda: Vocabulary.build(["a"], least=2), "no token occurs 2 times"),
        (lambda: Vocabulary.build(["a"], most=0), "most is 0 and least 1; expected 1 or more"),
        (lambda: Vocabulary(["a", "a"], "words"), "2 tokens; expected them to differ"),
        (lambda: Vocabulary(["<s>"], "words"), "1 tokens; expected them to differ"),
        (lambda: Vocabulary(["a"], "words").decode([5]), "token 5; expected 0 to 4"),
        (lambda: Vocabulary(["a"], "words").decode([-1]), "token -1; expected 0 to 4"),
        (lambda: Vocabulary.build(["a"], "subwords"), "is no unit of this vocabulary"),
    ],
)
def test_bad_input_is_told(call, message):
    with pytest.raises(RegardError, match=message):
        call()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "JSONDecodeError"),
        ("[]", "expected the format"),
        (json.dumps({"format": "other"}), "expected the format"),
        (json.dumps({"format": "regard vocabulary 1", "tokens": [1]}), "no list of text"),
        (json.dumps({"format": "regard vocabulary 1", "tokens": ["a"]}), "no unit None"),
        (
            json.dumps({"format": "regard vocabulary 1", "unit": "subwords", "model": {}}),
            "no tokenizer",
        ),
    ],
)
def test_a_damaged_file_is_told(write, text, message):
    if "no tokenizer" in message:
        pytest.importorskip("tokenizers")
    with pytest.raises(RegardError, match=rf"v\.json holds no vocabulary: .*{message}"):
        load_vocabulary(write("v.json", text))


def test_what_cannot_be_read_or_written_is_told(tmp_path):
    with pytest.raises(RegardError, match="FileNotFoundError"):
        load_vocabulary(tmp_path / "none.json")
    with pytest.raises(RegardError, match="cannot be written"):
        Vocabulary.build(["a"]).save(tmp_path / "none" / "v.json")

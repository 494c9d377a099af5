import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.data.text import Subwords, build_vocabulary, load_vocabulary
from regard.data.text.vocabulary import SPECIALS, UNKNOWN
from regard.errors import RegardError

TEXTS = ["the cat sat on the mat.", "the mat sat!", "汤姆在家。", "汤姆在吗？", "<s> the </s>"]
KNOWN = "".join(sorted(set("".join(TEXTS)) | {" "}))


@pytest.fixture(scope="module")
def made():
    pytest.importorskip("tokenizers")
    return Subwords.train(TEXTS, 80)


def test_it_is_refused_with_what_works_where_the_library_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(RegardError, match=r"pip install 'regard\[text\]', or take characters"):
        build_vocabulary(TEXTS, "subwords")


@given(text=st.text(st.sampled_from(KNOWN), max_size=20))
def test_what_has_known_characters_comes_back_but_for_its_spaces(made, text):
    numbers = made.encode(text)
    assert all(len(SPECIALS) <= number < len(made) for number in numbers)
    assert made.decode(numbers) == " ".join(text.split())


def test_pieces_are_longer_than_characters_also_in_chinese(made):
    assert "▁the" in made.split("the cat")
    assert any(piece.endswith("汤姆在") for piece in made.split("汤姆在"))
    assert len(made) <= 80


def test_punctuation_is_never_glued_to_a_word(made):
    for text in TEXTS[:4]:
        assert made.split(text)[-1] == text[-1]


def test_special_tokens_spelled_in_a_text_are_none(made):
    assert not {0, 2, 3} & set(made.encode("<pad></s><s>"))
    assert UNKNOWN in made.encode("Ω")
    assert made.decode(made.encode("the Ω")) == "the �"


def test_the_same_texts_give_the_same_pieces(made):
    assert Subwords.train(TEXTS, 80).fingerprint == made.fingerprint
    assert Subwords.train(TEXTS, 34).fingerprint != made.fingerprint


def test_what_is_saved_comes_back(made, tmp_path):
    loaded = load_vocabulary(made.save(tmp_path / "v.json"))
    assert loaded.fingerprint == made.fingerprint
    assert [loaded.encode(text) for text in TEXTS] == [made.encode(text) for text in TEXTS]


def test_a_small_size_keeps_the_commonest_characters():
    pytest.importorskip("tokenizers")
    small = build_vocabulary(["aaa b"], "subwords", most=2)
    assert len(small) == 6
    assert UNKNOWN in small.encode("b")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Subwords.train(["a"], 4), "a vocabulary of 4 tokens; expected more than 4"),
        (lambda: Subwords.train([], 10), "no text to learn subwords from"),
        (lambda: Subwords("{}"), "no tokenizer"),
    ],
)
def test_bad_input_is_told(call, message):
    pytest.importorskip("tokenizers")
    with pytest.raises(RegardError, match=message):
        call()

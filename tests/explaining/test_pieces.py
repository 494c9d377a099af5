import pytest

from regard.data.text import Vocabulary
from regard.errors import RegardError
from regard.explaining.pieces import ids_of, read_pieces, split_pieces, visible


@pytest.fixture
def vocabulary():
    return Vocabulary(["thinking", "machines", "我", *"abc"], "words")


def test_known_words_stay_whole_and_as_written(vocabulary):
    assert read_pieces("Thinking Machines", vocabulary) == ["Thinking", "Machines"]


def test_unknown_words_fall_into_letters_and_chinese_into_characters():
    assert split_pieces("Cab 我们", {"我"}) == ["C", "a", "b", "我", "们"]


def test_unknown_words_begin_with_the_longest_known_word():
    assert split_pieces("Machines", {"mac", "machine"}) == ["Machine", "s"]


def test_numbers_ignore_case_and_what_is_not_known_is_1(vocabulary):
    assert ids_of(["THINKING", "我", "?"], vocabulary) == [4, 6, 1]


def test_a_special_token_in_a_text_is_no_special_token(vocabulary):
    assert set(ids_of(read_pieces("<pad> </s>", vocabulary), vocabulary)) <= {1, 7}


@pytest.mark.parametrize(
    ("text", "words"), [("", "a few words"), (" \n", "a few words"), ("a " * 65, "65 tokens"),
                        ("a" * 401, "401 characters")]
)  # fmt: skip
def test_no_text_and_too_much_are_refused(vocabulary, text, words):
    with pytest.raises(RegardError, match=words):
        read_pieces(text, vocabulary)


def test_what_has_no_shape_is_shown_by_its_number():
    joined = split_pieces("👩‍👧 e\ufe0f", set())
    assert [visible(piece) for piece in joined] == ["👩", "U+200D", "👧", "e", "U+FE0F"]

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from regard.data.text import Labelled, Pairs, Strings
from regard.data.text.parting import complete, joined, plain
from regard.data.text.wishes import Wishes
from regard.errors import RegardError

WORD = st.sampled_from("abcdefgh")


def pairs(rows):
    return Pairs(Strings.of(a for a, _ in rows), Strings.of(b for _, b in rows))


def labelled(counts):
    labels = np.repeat(np.arange(len(counts)), counts)
    return Labelled(Strings.of(f"text {n}" for n in range(len(labels))), labels)


def linked(rows):
    """Groups by following links until nothing changes: an independent, slow reference."""
    groups = list(range(len(rows)))
    changed = True
    while changed:
        changed = False
        for i, one in enumerate(rows):
            for j, other in enumerate(rows):
                if (one[0] == other[0] or one[1] == other[1]) and groups[i] > groups[j]:
                    groups[i], changed = groups[j], True
    return groups


@given(st.lists(st.tuples(WORD, WORD), max_size=10))
def test_rows_linked_by_either_side_are_one_group(rows):
    assert joined(rows).tolist() == linked(rows)


@given(
    rows=st.lists(st.tuples(WORD, WORD), min_size=2, max_size=40),
    seed=st.integers(0, 99),
    share=st.floats(0.05, 0.9),
)
def test_no_sentence_of_either_side_is_in_two_parts(rows, seed, share):
    assume(len(set(linked(rows))) > 1)
    parts, _ = complete({"train": pairs(rows)}, Wishes(share, seed=seed))
    seen = [[set(side) for side in zip(*part.texts(), strict=True)] for part in parts.values()]
    for side in (0, 1):
        sets = [sides[side] for sides in seen]
        assert sum(map(len, sets)) == len(set.union(*sets))
    everything = sorted(pair for part in parts.values() for pair in part.texts())
    assert everything == sorted(rows)


def test_texts_that_differ_in_case_spaces_and_punctuation_stay_together():
    rows = [("Stop!", f"x{n}") for n in range(3)] + [(f"other {n}", f"y{n}") for n in range(9)]
    rows += [("stop", "z"), ("S top.", "w")]
    parts, _ = complete({"train": pairs(rows)}, Wishes(0.4))
    sides = [{plain(text) == "stop" for text in part.source} for part in parts.values()]
    assert sum(True in side for side in sides) == 1


def test_asking_for_validation_leaves_the_test_part_alone():
    data = labelled([30, 20])
    without, _ = complete({"train": data}, Wishes(0.2, seed=4))
    made, notes = complete({"train": data}, Wishes(0.2, 0.25, seed=4))
    assert list(made["test"].text) == list(without["test"].text)
    numbers = [text for part in made.values() for text in part.text]
    assert len(set(numbers)) == len(numbers) == 50
    assert {role: len(part) for role, part in made.items()} == {
        "train": 30, "test": 10, "validation": 10,
    }  # fmt: skip
    assert "test: 10 of 50 taken, seed 4; shares no text with train" in notes


def test_each_label_gives_its_share_and_a_lone_text_stays_in_train():
    made, _ = complete({"train": labelled([50, 20, 1])}, Wishes(0.2), by_label=True)
    assert np.bincount(made["test"].classes).tolist() == [10, 4]
    assert 2 in made["train"].classes


def test_another_seed_draws_another_part():
    drawn = [
        tuple(complete({"train": labelled([60])}, Wishes(0.2, seed=seed))[0]["test"].text)
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_parts_that_are_there_stay_and_what_they_share_is_told():
    train, test = pairs([("a", "1"), ("b", "2"), ("c", "3")]), pairs([("A.", "9"), ("d", "2")])
    made, notes = complete({"train": train, "test": test}, Wishes())
    assert made["train"] is train
    assert made["test"] is test
    assert notes == [
        "1 of 2 source texts of test are in train too, but for case, spaces and punctuation",
        "1 of 2 target texts of test are in train too, but for case, spaces and punctuation",
    ]


def test_one_text_cannot_be_divided():
    with pytest.raises(RegardError, match=r"3 texts without two different ones under a label"):
        complete({"train": pairs([("a", "b")] * 3)}, Wishes())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": 0.0}, "test is 0.0; expected a share above 0"),
        ({"test": 1.0}, "test is 1.0"),
        ({"test": float("nan")}, "test is nan"),
        ({"validation": -0.1}, "validation is -0.1; expected a share from 0"),
        ({"seed": -1}, "seed is -1; expected 0 or more"),
        ({"longest": 0}, "longest is 0; expected 1 or more"),
        ({"on_bad": "ignore"}, "on_bad is 'ignore'; expected 'error' or 'skip'"),
    ],
)
def test_a_wish_out_of_range_is_told(options, message):
    with pytest.raises(RegardError, match=message):
        Wishes(**options)


@pytest.mark.parametrize(
    ("text", "bare"), [("Hi, Tom!", "hitom"), ("你好。", "你好"), (" ?! ", "?!")]
)
def test_letters_and_digits_decide_what_is_the_same(text, bare):
    assert plain(text) == bare

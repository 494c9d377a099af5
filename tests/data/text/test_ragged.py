import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.data.text import Ragged, Strings
from regard.errors import RegardError

ROWS = st.lists(st.lists(st.integers(-9, 9), max_size=6), max_size=8)
TEXTS = st.lists(st.text(), max_size=8)


@given(ROWS)
def test_rows_come_back(rows):
    packed = Ragged.of(rows)
    assert [row.tolist() for row in packed] == rows
    assert packed.lengths.tolist() == [len(row) for row in rows]


@given(ROWS.filter(len), st.data())
def test_taking_and_padding_is_what_a_loop_would_do(rows, data):
    index = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=5))
    chosen = np.array(index, np.int64)
    packed = Ragged.of(rows)
    assert [row.tolist() for row in packed.take(chosen)] == [rows[i] for i in index]
    padded, mask = packed.pad(chosen, fill=77)
    width = max([1, *(len(rows[i]) for i in index)])
    assert padded.tolist() == [rows[i] + [77] * (width - len(rows[i])) for i in index]
    assert mask.tolist() == [[k < len(rows[i]) for k in range(width)] for i in index]


@given(ROWS, st.integers(1, 4))
def test_cut_rows_are_their_beginnings(rows, most):
    assert [row.tolist() for row in Ragged.of(rows).cut(most)] == [row[:most] for row in rows]


def test_a_mask_selects_as_its_index_does():
    packed = Ragged.of([[1], [2, 3], []])
    mask = np.array([False, True, True])
    assert [row.tolist() for row in packed.take(mask)] == [[2, 3], []]
    assert packed.pad(mask)[0].tolist() == [[2, 3], [0, 0]]


@given(TEXTS)
def test_strings_come_back(texts):
    packed = Strings.of(texts)
    assert list(packed) == texts
    assert [packed[place] for place in range(len(packed))] == texts
    assert list(packed.take(np.arange(len(texts))[::-1])) == texts[::-1]


@pytest.mark.parametrize("place", [-1, 2])
def test_places_count_from_the_end_and_stop_at_it(place):
    packed = Strings.of(["a", "b"])
    if place < 0:
        assert packed[place] == "b"
    else:
        with pytest.raises(IndexError):
            packed[place]


@pytest.mark.parametrize("bounds", [[1, 3], [0, 2], [0, 3, 2, 3], []])
def test_bounds_that_do_not_fit_are_refused(bounds):
    with pytest.raises(RegardError, match="bounds are int64"):
        Ragged(np.arange(3), np.array(bounds, np.int64))


def test_half_a_surrogate_pair_and_an_empty_cut_are_refused():
    with pytest.raises(RegardError, match="no Unicode"):
        Strings.of(["\ud800"])
    with pytest.raises(RegardError, match="cut to 0"):
        Ragged.of([[1]]).cut(0)

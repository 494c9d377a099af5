from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.data.text import bucketed, in_order, padding
from regard.errors import RegardError

SIDES = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=40).map(
    lambda rows: [np.array(side, np.int64) for side in zip(*rows, strict=True)]
)
LONG = [np.random.default_rng(0).integers(1, 60, 1000)]


@given(SIDES, st.integers(1, 9), st.integers(0, 5), st.none() | st.integers(1, 90))
def test_each_epoch_has_every_row_once_within_the_limits(sides, batch, epoch, most):
    batches = bucketed(sides, batch, seed=0, epoch=epoch, most=most)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(sides[0])))
    for rows in batches:
        assert 1 <= len(rows) <= batch
        longest = max(int(side[rows].max()) for side in sides)
        assert most is None or len(rows) == 1 or len(rows) * longest <= most
    if most is None:
        assert len(batches) == -(-len(sides[0]) // batch)


@given(SIDES, st.integers(1, 9))
def test_no_batch_reaches_into_the_lengths_of_another(sides, batch):
    batches = bucketed(sides[:1], batch, seed=1, epoch=2)
    spans = sorted((int(sides[0][rows].min()), int(sides[0][rows].max())) for rows in batches)
    assert all(one[1] <= other[0] for one, other in pairwise(spans))


def test_seed_and_epoch_alone_decide():
    def drawn(seed, epoch):
        return [rows.tolist() for rows in bucketed(LONG, 16, seed=seed, epoch=epoch)]

    assert drawn(3, 1) == drawn(3, 1)
    assert drawn(3, 1) != drawn(3, 2)
    assert drawn(3, 1) != drawn(4, 1)
    assert {frozenset(rows) for rows in drawn(3, 1)} != {frozenset(r) for r in drawn(3, 2)}


def test_batches_come_in_random_order_of_length():
    lengths = [LONG[0][rows].mean() for rows in bucketed(LONG, 16, seed=0, epoch=0)]
    ranks = np.argsort(np.argsort(lengths))
    # The correlation of 63 random ranks with their place has a deviation of 0.13.
    assert abs(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]) < 5 * 0.13


def test_padding_is_counted_over_all_sides():
    sides = [np.array([1, 3]), np.array([2, 2])]
    assert padding(sides, [np.array([0, 1])]) == 1 - 8 / 10
    assert padding(sides, [np.array([0]), np.array([1])]) == 0
    assert padding([np.zeros(2, np.int64)], [np.array([0, 1])]) == 0


def test_sorted_batches_pad_less_than_random_ones():
    order = np.random.default_rng(1).permutation(1000)
    chance = padding(LONG, np.split(order, range(16, 1000, 16)))
    assert padding(LONG, bucketed(LONG, 16, seed=0, epoch=0)) < 0.05 < chance


def test_without_chance_rows_go_from_short_to_long():
    batches = in_order([np.array([5, 1, 3, 1])], 3)
    assert [rows.tolist() for rows in batches] == [[1, 3, 2], [0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: in_order([], 4), r"sides of \[\] rows"),
        (lambda: in_order([np.zeros(0, np.int64)], 4), r"sides of \[0\] rows"),
        (lambda: in_order([np.ones(2), np.ones(3)], 4), r"sides of \[2, 3\] rows"),
        (lambda: in_order(LONG, 0), "batch is 0; expected 1 or more"),
        (lambda: in_order(LONG, 4, most=0), "most is 0; expected 1 or more"),
        (lambda: bucketed(LONG, 4, seed=-1, epoch=0), "seed is -1 and epoch 0; expected"),
    ],
)
def test_bad_input_is_told(call, message):
    with pytest.raises(RegardError, match=message):
        call()

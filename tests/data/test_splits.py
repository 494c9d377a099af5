import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regard.data.images import Split
from regard.data.splits import Parts, complete, random_bits, stratified
from regard.errors import RegardError

CLASSES = ("a", "b", "c")


def parts(counts=(10, 20, 30), test=None, validation=None):
    """Images that carry their own number, so that they can be followed through a split."""
    labels = np.repeat(np.arange(3), counts)
    numbers = np.arange(len(labels), dtype=np.uint8)
    train = Split(np.broadcast_to(numbers[:, None, None, None], (len(labels), 1, 2, 2)), labels)
    return Parts(train, test, validation, CLASSES, ("first",))


def numbers(split):
    return split.images[:, 0, 0, 0].tolist()


@settings(deadline=None)
@given(
    counts=st.lists(st.integers(2, 40), min_size=1, max_size=3),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**64),
)
def test_each_class_gives_its_share_at_least_one_and_never_all(counts, share, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    mask = stratified(labels, share, random_bits(seed, 0), CLASSES)
    for label, count in enumerate(counts):
        taken = int(mask[labels == label].sum())
        assert 1 <= taken <= count - 1
        assert abs(taken - count * share) <= 1 or taken in (1, count - 1)


def test_the_choice_depends_on_seed_and_stream_only():
    labels = np.repeat(np.arange(3), 50)
    masks = [
        stratified(labels, 0.5, random_bits(seed, stream), CLASSES)
        for seed, stream in ((3, 0), (3, 0), (4, 0), (3, 1))
    ]
    assert np.array_equal(masks[0], masks[1])
    assert not np.array_equal(masks[0], masks[2])
    assert not np.array_equal(masks[0], masks[3])


def test_every_image_is_equally_likely():
    labels = np.zeros(10, np.int64)
    total = sum(
        stratified(labels, 0.3, random_bits(seed, 0), CLASSES).astype(int) for seed in range(2000)
    )
    # 600 expected of each, standard deviation 20.5
    assert np.abs(total - 600).max() < 5 * 20.5


def test_the_smallest_keys_of_each_class_are_taken():
    mask = stratified(np.repeat(np.arange(2), 6), 0.5, random_bits(0, 0), CLASSES)
    keys = np.random.Generator(random_bits(0, 0)).bit_generator.random_raw(12)
    smallest = [set(np.sort(half)[:3]) for half in (keys[:6], keys[6:])]
    assert {int(key) for key in keys[mask]} == {int(key) for key in smallest[0] | smallest[1]}


def test_a_class_of_one_is_named():
    with pytest.raises(RegardError, match="class 'b' has a single image"):
        complete(parts((3, 1, 3)), "toy", seed=0, validation=0)


def test_a_missing_test_part_is_a_fifth_of_each_class():
    made = complete(parts(), "toy", seed=5, validation=0)
    assert np.bincount(made.test.labels).tolist() == [2, 4, 6]
    assert sorted(numbers(made.train) + numbers(made.test)) == list(range(60))
    assert made.validation is None
    assert made.notes == ("first", "no test part was there: 20% of each class, seed 5")


def test_validation_is_taken_from_train_and_leaves_test_alone():
    without = complete(parts(), "toy", seed=5, validation=0)
    made = complete(parts(), "toy", seed=5, validation=0.25)
    assert numbers(made.test) == numbers(without.test)
    assert np.bincount(made.validation.labels).tolist() == [2, 4, 6]
    everything = numbers(made.train) + numbers(made.test) + numbers(made.validation)
    assert sorted(everything) == list(range(60))
    assert any("validation is 0.25" in note for note in made.notes)


def test_parts_that_are_there_stay():
    own = parts((2, 2, 2)).train
    made = complete(parts(test=own, validation=own), "toy", seed=0, validation=0.1)
    assert len(made.train) == 60
    assert made.test is own
    assert made.validation is own
    assert any("own validation part" in note for note in made.notes)


def test_images_of_one_group_stay_on_one_side():
    groups = np.arange(60) // 5
    made = complete(parts((15, 20, 25)), "toy", seed=1, validation=0.34, groups=groups)
    sides = [{number // 5 for number in numbers(s)} for s in made.splits().values()]
    assert all(sides)
    assert sum(len(side) for side in sides) == len(set.union(*sides)) == 12


def test_a_negative_seed_is_refused():
    with pytest.raises(RegardError, match="seed is -1"):
        random_bits(-1, 0)

"""Splits by class: seeded, disjoint, and the same on every machine and version of numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import RegardError
from .images import Images, Split
from .tree import shown

TEST_SHARE = 0.2
Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a source holds, before the splits that are missing are made.

    Args:
        train, test, validation: the splits; None where the source has none.
        classes: the names of the classes.
        notes: what was done on the way.
    """

    train: Split
    test: Split | None
    validation: Split | None
    classes: tuple[str, ...]
    notes: tuple[str, ...]


def random_bits(seed: int, stream: int) -> np.random.PCG64:
    """A source of random bits; different streams of one seed are independent.

    Numpy promises that the bits stay the same over its versions, but not what its distributions
    and permutations make of them; hence those are made here.

    Raises:
        RegardError: the seed is negative.
    """
    if seed < 0:
        raise RegardError(f"seed is {seed}; expected 0 or more")
    return np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(stream,)))


def stratified(
    labels: Labels, share: float, bits: np.random.PCG64, classes: tuple[str, ...]
) -> Mask:
    """A random mask ``[N]``, true for ``share`` of each class: at least one, never all.

    Args:
        labels: int64 ``[N]``.
        share: above 0 and below 1; a class of n gives n · share, rounded half up.
        bits: where the choice comes from.
        classes: the names, for the error.

    Raises:
        RegardError: a class has one member only.
    """
    keys = bits.random_raw(len(labels))
    mask = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise RegardError(
                f"class '{shown(classes[label])}' has a single image; splitting it needs two or "
                "more: add images, or give train/ and test/ folders"
            )
        count = min(max(int(len(members) * share + 0.5), 1), len(members) - 1)
        mask[members[np.argsort(keys[members], kind="stable")[:count]]] = True
    return mask


def complete(
    parts: Parts, name: str, *, seed: int, validation: float, groups: Labels | None = None
) -> Images:
    """Make the splits that are missing, out of train.

    Without a test part, 20 % of each class become one. The test and the validation split draw
    independently, so asking for validation never changes the test images.

    Args:
        parts: what the source holds.
        name: of the data.
        seed: decides which images are taken.
        validation: share of each class of train for validation, below 1; 0 for none.
        groups: int64 ``[len(train)]``, what each train image was made from; images made from the
            same thing stay on one side. None: each from a thing of its own.

    Raises:
        RegardError: the seed is negative, or a class is too small to be divided.
    """
    groups = np.arange(len(parts.train)) if groups is None else groups
    train, test, held, notes = parts.train, parts.test, parts.validation, list(parts.notes)
    if test is None:
        mask = _choose(parts, train, groups, (TEST_SHARE, random_bits(seed, 0)))
        train, test, groups = train.take(~mask), train.take(mask), groups[~mask]
        notes.append(f"no test part was there: {TEST_SHARE:.0%} of each class, seed {seed}")
    if validation and held is not None:
        notes.append(f"the data's own validation part is used; no share of {validation:g} is taken")
    elif validation:
        mask = _choose(parts, train, groups, (validation, random_bits(seed, 1)))
        train, held = train.take(~mask), train.take(mask)
        notes.append(f"validation is {validation:.4g} of each class of train, seed {seed}")
    return Images(train, test, parts.classes, name, validation=held, notes=tuple(notes))


def _choose(
    parts: Parts, train: Split, groups: Labels, draw: tuple[float, np.random.PCG64]
) -> Mask:
    things, first = np.unique(groups, return_index=True)
    chosen = stratified(train.labels[first], *draw, parts.classes)
    return np.isin(groups, things[chosen])

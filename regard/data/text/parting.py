"""Train, test and validation without a sentence on two sides; what two sides share is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ...errors import RegardError
from ..splits import random_bits
from .corpus import Corpus, Part
from .ragged import Ints
from .wishes import Wishes

PartT = TypeVar("PartT", bound=Part)
CorpusT = TypeVar("CorpusT", bound=Corpus[Any])


def complete(
    parts: dict[str, PartT],
    wishes: Wishes,
    *,
    by_label: bool = False,
    groups: Ints | None = None,
) -> tuple[dict[str, PartT], list[str]]:
    """Make the parts that are missing, out of train.

    Items that share a text, but for case, spaces and punctuation, stay on one side; so do pairs
    that share either side, and pairs linked by others. Test and validation draw independently, so
    asking for validation never changes the test part.

    Args:
        parts: role → part; ``train`` is there.
        wishes: shares and seed.
        by_label: take the share of each label, for parts with one label an item.
        groups: int64 ``[len(train)]``, equal for items that stay on one side; None: as above.

    Returns:
        The parts, and what was done, one sentence each.

    Raises:
        RegardError: train has too few different texts to be divided.
    """
    notes: list[str] = []
    made = dict(parts)
    groups = joined(made["train"].texts()) if groups is None else groups
    for stream, (role, wish) in enumerate(
        (("test", wishes.test), ("validation", wishes.validation))
    ):
        if role in parts or not wish or isinstance(wish, str | Path):
            continue
        train = made["train"]
        strata = train.labels() if by_label else np.zeros(len(train), np.int64)
        mask = _choose(groups, strata, wish, random_bits(wishes.seed, stream))
        made["train"], made[role], groups = train.take(~mask), train.take(mask), groups[~mask]
        notes.append(
            f"{role}: {mask.sum():,} of {len(train):,} taken, seed {wishes.seed}; "
            "shares no text with train"
        )
    return made, [*notes, *_overlaps(made)]


def hold_out(corpus: CorpusT, wishes: Wishes, groups: Ints | None = None) -> CorpusT:
    """Embedded data with the validation part that was wished for; see :func:`complete`.

    Raises:
        RegardError: a file is wished for; embedded data have their own parts.
    """
    if isinstance(wishes.test, str | Path) or isinstance(wishes.validation, str | Path):
        raise RegardError(
            f"{corpus.name} is embedded and has its own test part; a file for test or validation "
            "goes with a file or folder to train on"
        )
    if not wishes.validation:
        return corpus
    parts, notes = complete(corpus.splits(), wishes, groups=groups)
    return replace(
        corpus,
        train=parts["train"],
        validation=parts["validation"],
        notes=(*corpus.notes, *notes),
        fingerprint="",
    )


def joined(rows: Iterable[tuple[str, ...]]) -> Ints:
    """A number for each row ``[N]``, equal for rows linked by equal texts in the same place."""
    seen: dict[tuple[int, str], int] = {}
    parent: list[int] = []

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for number, texts in enumerate(rows):
        parent.append(number)
        for side, text in enumerate(texts):
            other = root(seen.setdefault((side, plain(text)), number))
            own = root(number)
            parent[max(own, other)] = min(own, other)
    return np.array([root(number) for number in range(len(parent))], np.int64)


def plain(text: str) -> str:
    """Letters and digits alone, without case; a text that has none stays as it is."""
    return "".join(filter(str.isalnum, text.casefold())) or text.strip()


def _choose(
    groups: Ints, strata: Ints, share: float, bits: np.random.PCG64
) -> npt.NDArray[np.bool_]:
    """A mask ``[N]`` of whole groups: of each stratum the share, at least one group, never all."""
    things, first, sizes = np.unique(groups, return_index=True, return_counts=True)
    keys = bits.random_raw(len(things))
    taken: list[Ints] = []
    for stratum in np.unique(strata[first]):
        members = np.flatnonzero(strata[first] == stratum)
        members = members[np.argsort(keys[members], kind="stable")]
        counts = np.cumsum(sizes[members])
        nearest = int(np.abs(counts - counts[-1] * share).argmin()) + 1
        taken.append(things[members[: min(nearest, len(members) - 1)]])
    chosen = np.concatenate(taken) if taken else np.zeros(0, np.int64)
    if not len(chosen):
        raise RegardError(
            f"{len(groups):,} texts without two different ones under a label cannot be divided; "
            "name a file for each part"
        )
    return np.isin(groups, chosen)


def _overlaps(parts: dict[str, PartT]) -> list[str]:
    """How many texts of the other parts are in train too, told and not mended."""
    train = [{plain(text) for text in side} for side in zip(*parts["train"].texts(), strict=True)]
    notes = []
    for role, part in parts.items():
        if role == "train":
            continue
        sides = list(zip(*part.texts(), strict=True))
        for side, (texts, known) in enumerate(zip(sides, train, strict=True)):
            count = sum(plain(text) in known for text in texts)
            which = ("source ", "target ")[side] if len(sides) > 1 else ""
            if count:
                notes.append(
                    f"{count:,} of {len(part):,} {which}texts of {role} are in train too, "
                    "but for case, spaces and punctuation"
                )
    return notes

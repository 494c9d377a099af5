"""Names of labels, and those that only one part has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from ...errors import RegardError
from ..tree import shown, shown_some


def name_classes(
    labels: Mapping[str, Iterable[str]], what: str
) -> tuple[tuple[str, ...], list[str]]:
    """All labels that occur, sorted, those of train first, and what is to be told of them.

    A label that train lacks can never be learned; it stays in test, where it counts as wrong.

    Args:
        labels: role → the label of every item; ``train`` is there.
        what: the items, in the words of the notes: ``words``, ``texts``.

    Raises:
        RegardError: train has fewer than two labels.
    """
    counts = {role: Counter(names) for role, names in labels.items()}
    classes = sorted(counts["train"])
    if len(classes) < 2:
        found = f"only '{shown(classes[0])}'" if classes else "none"
        raise RegardError(f"expected two labels or more in train; found {found}")
    notes = []
    for role, count in counts.items():
        new = sorted(set(count) - set(classes))
        if new:
            total = sum(count[name] for name in new)
            notes.append(
                f"{role} has labels that train lacks: {shown_some(new)}; "
                f"{total:,} of {count.total():,} {what}, which no network can get right"
            )
            classes += new
    return tuple(classes), notes

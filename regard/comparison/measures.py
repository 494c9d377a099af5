"""All measures of the finished trials: beside the compared one, and by the length of the source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .wording import name_of, shown_share

Results = Mapping[str, Mapping[int, Mapping[str, Any]]]
"""Arm → seed → result."""
_APART = ("loss", "seconds")


class Bucket(NamedTuple):
    """Sources of some lengths: ``9–12``, their mean length and number, and a measure's mean."""

    label: str
    length: float
    sentences: int
    value: float


def names_in(results: Results, first: str) -> list[str]:
    """Names of all shares that trials were measured by, the compared one first."""
    found = [first]
    for seeds in results.values():
        for result in seeds.values():
            numbers = {n for n, v in result.items() if isinstance(v, int | float)}
            found += sorted(numbers - {*found, *_APART, "unknown_words"})
    return found


def means(results: Results, names: list[str]) -> dict[str, dict[str, float]]:
    """Arm → measure → its mean over seeds; a measure that a trial lacks is left out."""
    return {
        arm: {
            name: sum(r[name] for r in seeds.values()) / len(seeds)
            for name in names
            if all(name in r for r in seeds.values())
        }
        for arm, seeds in results.items()
        if seeds
    }


def table_of_means(results: Results, names: list[str]) -> list[tuple[str, ...]]:
    """Head and rows of the measures beside the first; nothing where there are none."""
    if len(names) < 2:
        return []
    rows = [
        (arm, *(shown_share(found[n], n) if n in found else "" for n in names[1:]))
        for arm, found in means(results, names).items()
    ]
    return [("arm", *map(name_of, names[1:])), *rows]


def by_length(results: Results, measure: str) -> dict[str, list[Bucket]]:
    """Arm → the measure in each bucket of source lengths, mean over seeds."""
    found: dict[str, list[Bucket]] = {}
    for arm, seeds in results.items():
        runs = [result["by_length"] for result in seeds.values() if "by_length" in result]
        if runs:
            found[arm] = [
                Bucket(
                    same[0]["label"],
                    same[0]["length"],
                    same[0]["sentences"],
                    sum(bucket[measure] for bucket in same) / len(same),
                )
                for same in zip(*runs, strict=True)
            ]
    return found


def table_by_length(results: Results, measure: str) -> list[tuple[str, ...]]:
    """Head and rows of the measure by length; nothing where it is not known."""
    found = by_length(results, measure)
    if not found:
        return []
    labels = [bucket.label for bucket in next(iter(found.values()))]
    head = (f"{name_of(measure)} by length of the source, in tokens", *labels)
    return [
        head,
        *((arm, *(shown_share(b.value, measure) for b in row)) for arm, row in found.items()),
    ]


def tables(results: Results, names: list[str]) -> list[list[tuple[str, ...]]]:
    """Both tables, those that there are."""
    both = table_of_means(results, names), table_by_length(results, names[0])
    return [rows for rows in both if rows]


def facts_of(results: Results, names: list[str]) -> dict[str, Any]:
    """All of it as plain data."""
    lengths = by_length(results, names[0])
    return {
        "measures": means(results, names),
        "by_length": {arm: [b._asdict() for b in row] for arm, row in lengths.items()},
        "signatures": signatures(results),
    }


def signatures(results: Results) -> list[str]:
    """How sacrebleu was set, one line a measure."""
    found = {
        f"{name_of(name)}: {signature}"
        for seeds in results.values()
        for result in seeds.values()
        for name, signature in result.get("signatures", {}).items()
    }
    return sorted(found)

"""The embedded normalisation: a date as people write it becomes ``1979-05-03``, by characters.

The alignment can be read by eye: each digit of the answer looks at the year, month or day.
"""

from __future__ import annotations

from datetime import date, timedelta

from ...errors import RegardError
from .draws import Draws, listed
from .pairs import Pairs, Translation
from .ragged import Strings

SEED = 1979
FIRST, LAST = date(1900, 1, 1), date(2099, 12, 31)
DAYS = listed("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = listed(
    "January February March April May June July August September October November December"
)
FORMS = (
    "{weekday}, {month} {ordinal}, {year}",
    "{weekday} {day} {month} {year}",
    "{month} {day}, {year}",
    "{day} {month} {year}",
    "{day}. {short} {year}",
    "{short} {day} {year}",
    "the {ordinal} of {month} {year}",
    "{year}, {month} {ordinal}",
    "{day}.{number}.{year}",
    "{year}/{number}/{day}",
)


def dates(train: int = 8000, test: int = 1000, *, seed: int = SEED) -> Translation:
    """Dates of 1900 to 2099 in ten forms, the same on every machine; no day twice.

    Args:
        train, test: numbers of pairs, at most 73,049 together.
        seed: of the days and forms; apart from every training seed.

    Raises:
        RegardError: a number is below 1, there are not so many days, or the seed is below 0.
    """
    days = (LAST - FIRST).days + 1
    if min(train, test) < 1 or train + test > days:
        raise RegardError(
            f"dates: train is {train} and test {test}; expected 1 or more, and "
            f"{days:,} together at most"
        )
    draws = Draws(seed, 11)
    chosen: dict[int, str] = {}
    while len(chosen) < train + test:
        chosen.setdefault(draws.below(days), draws.pick(FORMS))
    made = [(FIRST + timedelta(number), form) for number, form in chosen.items()]
    first, last = (
        Pairs(
            Strings.of(write(day, form) for day, form in part),
            Strings.of(day.isoformat() for day, _ in part),
        )
        for part in (made[:train], made[train:])
    )
    notes = (
        "generated: shows how a mechanism behaves; read it by characters",
        f"days of 1900 to 2099 in {len(FORMS)} forms, seed {seed}; train and test share no day",
    )
    return Translation(first, last, "dates", notes=notes)


def write(day: date, form: str) -> str:
    """A day in one of the forms, in English on every machine."""
    month = MONTHS[day.month - 1]
    return form.format(
        weekday=DAYS[day.weekday()],
        month=month,
        short=month[:3],
        number=day.month,
        day=day.day,
        ordinal=f"{day.day}{_ending(day.day)}",
        year=day.year,
    )


def _ending(number: int) -> str:
    if number in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")

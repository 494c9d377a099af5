"""Vocabularies: text as numbers and back, by characters, words or given words."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np

from ...errors import RegardError, nearest, unwritable
from ..tree import shown
from .ragged import Ragged, Strings
from .words import join_words, split_words

Unit = Literal["characters", "words", "subwords"]
SPECIALS = ("<pad>", "<unk>", "<s>", "</s>")
PAD, UNKNOWN, BEGIN, END = range(4)


class Vocabulary:
    """The tokens that a network knows: number 0 is padding, 1 unknown, 2 and 3 begin and end.

    Args:
        tokens: those after the four special ones, all different.
        unit: ``characters``, or ``words`` as :func:`split_words` makes them. A vocabulary for
            words that are given, as in tagging, is one of words used through :meth:`index`.

    Raises:
        RegardError: a token twice, or no such unit.
    """

    def __init__(self, tokens: Sequence[str], unit: Unit) -> None:
        require_unit(unit)
        self.unit: Unit = unit
        self._unknown = " �" if unit == "words" else "�"
        self.tokens: tuple[str, ...] = (*SPECIALS, *tokens)
        self._numbers = {token: number for number, token in enumerate(self.tokens)}
        for token in SPECIALS:  # a word of a text that is written so is no special token
            del self._numbers[token]
        if len(self._numbers) != len(tokens):
            raise RegardError(f"{len(tokens):,} tokens; expected them to differ, none a special")

    @classmethod
    def build(
        cls, texts: Iterable[str], unit: Unit = "words", *, most: int | None = None, least: int = 1
    ) -> Self:
        """The commonest tokens of texts, ties in the order of their code points.

        Args:
            texts: of train, never of test.
            unit: ``characters`` or ``words``; for ``subwords`` see ``Subwords.build``.
            most: tokens at most, the special ones apart.
            least: times that a token must occur.

        Raises:
            RegardError: no text has a token that counts, or a number is below 1.
        """
        split = _splitter(unit)
        return cls.of_words((token for text in texts for token in split(text)), unit, most, least)

    @classmethod
    def of_words(
        cls, words: Iterable[str], unit: Unit = "words", most: int | None = None, least: int = 1
    ) -> Self:
        """The commonest of given words; as :meth:`build`."""
        if least < 1 or (most is not None and most < 1):
            raise RegardError(f"most is {most} and least {least}; expected 1 or more")
        counts = Counter(words)
        for token in SPECIALS:
            del counts[token]
        kept = sorted(
            (word for word, n in counts.items() if n >= least), key=lambda w: (-counts[w], w)
        )
        if not kept:
            raise RegardError(
                f"no token occurs {least} times or more; a vocabulary needs one at least"
            )
        return cls(kept[:most], unit)

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self):,} {self.unit})"

    @property
    def fingerprint(self) -> str:
        """Sha256 over unit and tokens."""
        return hashlib.sha256(json.dumps([self.unit, self.tokens]).encode()).hexdigest()

    def split(self, text: str) -> list[str]:
        """The tokens of a text as strings, unknown ones too."""
        return _splitter(self.unit)(text)

    def encode(self, text: str) -> list[int]:
        """Numbers of a text's tokens, without begin and end; what is not known is 1."""
        return [self._numbers.get(token, UNKNOWN) for token in self.split(text)]

    def decode(self, numbers: Iterable[int]) -> str:
        """The text up to the first end; padding and begin are left out, unknown is ``�``.

        Raises:
            RegardError: a number beyond the vocabulary.
        """
        return self._join([self._token(number) for number in self._content(numbers)])

    def encode_all(self, texts: Iterable[str], *, ends: bool = False) -> Ragged:
        """Numbers of many texts, int32; with ``ends`` each between begin and end."""
        rows = (self.encode(text) for text in texts)
        return Ragged.of([BEGIN, *row, END] if ends else row for row in rows)

    def index(self, words: Strings, like: Ragged) -> Ragged:
        """Numbers of words that are given, in rows as long as those of ``like``."""
        numbers = np.fromiter((self._numbers.get(w, UNKNOWN) for w in words), np.int32, len(words))
        return Ragged(numbers, like.bounds)

    def unknown(self, texts: Iterable[str]) -> float:
        """Share of the tokens of texts that are not known; 0 without tokens."""
        numbers = [number for text in texts for number in self.encode(text)]
        return numbers.count(UNKNOWN) / max(len(numbers), 1)

    def require(self, fingerprint: str, what: str) -> None:
        """RegardError if ``what``, a checkpoint for example, was made with another vocabulary."""
        if fingerprint != self.fingerprint:
            raise RegardError(
                f"{what} was made with another vocabulary ({fingerprint[:8]}; this one is "
                f"{self.fingerprint[:8]}, {len(self):,} {self.unit}); use the one kept beside it"
            )

    def save(self, path: str | Path) -> Path:
        """Write a JSON file; RegardError where that cannot be done."""
        try:
            Path(path).write_text(json.dumps(self.facts(), ensure_ascii=True), encoding="utf-8")
        except OSError as error:
            raise unwritable(shown(path), error) from error
        return Path(path)

    def facts(self) -> dict[str, Any]:
        """What the file holds."""
        return {"format": "regard vocabulary 1", "unit": self.unit, "tokens": self.tokens[4:]}

    def _token(self, number: int) -> str:
        if not 0 <= number < len(self.tokens):
            raise RegardError(f"token {number}; expected 0 to {len(self) - 1}")
        return self._unknown if number == UNKNOWN else self.tokens[number]

    def _content(self, numbers: Iterable[int]) -> list[int]:
        content = []
        for number in numbers:
            if number == END:
                break
            if number not in (PAD, BEGIN):
                content.append(int(number))
        return content

    def _join(self, tokens: list[str]) -> str:
        return join_words(tokens) if self.unit == "words" else "".join(tokens)


def require_unit(unit: str) -> None:
    """RegardError for a unit of text that there is not."""
    if unit not in get_args(Unit):
        raise RegardError(f"no unit {unit!r} of text{nearest(str(unit), get_args(Unit))}")


def _splitter(unit: Unit) -> Callable[[str], list[str]]:
    if unit == "characters":
        return list
    if unit == "words":
        return split_words
    raise RegardError(f"{unit!r} is no unit of this vocabulary; expected 'characters' or 'words'")

"""A vocabulary of subwords, by byte-pair encoding over characters.

R. Sennrich, B. Haddow, A. Birch, 2016, arXiv:1508.07909, with spaces as signs of the text (T. Kudo,
J. Richardson, 2018, arXiv:1808.06226), so that Chinese needs no segmenter. The library
``tokenizers`` learns and applies the merges; no other of its normalisations is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Self

from ...errors import RegardError, cause
from .vocabulary import SPECIALS, UNKNOWN, Vocabulary


class Subwords(Vocabulary):
    """Subwords; a space is ``▁``, and every text begins with one.

    Args:
        model: what the library wrote of a tokenizer, in JSON.

    Raises:
        RegardError: ``tokenizers`` is not installed, or the text is no such tokenizer.
    """

    def __init__(self, model: str) -> None:
        library = _library()
        try:
            self._model = library.Tokenizer.from_str(model)
        except Exception as error:  # the library raises plain Exception
            raise RegardError(f"no tokenizer: {cause(error)}") from error
        numbers: dict[str, int] = self._model.get_vocab(with_added_tokens=True)
        tokens = sorted(numbers, key=numbers.__getitem__)
        if tuple(tokens[:4]) != SPECIALS:
            raise RegardError(
                f"a tokenizer whose first tokens are {tokens[:4]}; expected {SPECIALS}"
            )
        super().__init__(tokens[4:], "subwords")

    @classmethod
    def train(cls, texts: Iterable[str], size: int = 8000, *, least: int = 2) -> Self:
        """Learn subwords from texts; the same texts in the same order give the same ones.

        Args:
            texts: of train, never of test.
            size: tokens at most, the four special ones counted.
            least: times that two neighbours must occur to be merged.

        Raises:
            RegardError: ``tokenizers`` is not installed, the size is too small, no text.
        """
        if size <= len(SPECIALS):
            raise RegardError(f"a vocabulary of {size} tokens; expected more than {len(SPECIALS)}")
        library = _library()
        model = library.Tokenizer(library.models.BPE(unk_token=SPECIALS[1]))
        before = library.pre_tokenizers
        model.pre_tokenizer = before.Sequence([before.Metaspace(), before.Punctuation("isolated")])
        trainer = library.trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=least,
            special_tokens=list(SPECIALS),
            limit_alphabet=size - len(SPECIALS),
            show_progress=False,
        )
        model.train_from_iterator((" ".join(text.split()) for text in texts), trainer)
        if model.get_vocab_size() <= len(SPECIALS):
            raise RegardError("no text to learn subwords from")
        # As added tokens, "<s>" in somebody's text would become the sign of the beginning.
        return cls(json.dumps(json.loads(model.to_str()) | {"added_tokens": []}))

    def split(self, text: str) -> list[str]:
        """The tokens of a text as strings, unknown ones as ``<unk>``."""
        return [self.tokens[number] for number in self.encode(text)]

    def encode(self, text: str) -> list[int]:
        """Numbers of a text's tokens, without begin and end; what is not known is 1."""
        numbers = self._model.encode(" ".join(text.split()), add_special_tokens=False).ids
        return [number if number >= len(SPECIALS) else UNKNOWN for number in numbers]

    def facts(self) -> dict[str, Any]:
        """What the file holds."""
        return {
            "format": "regard vocabulary 1",
            "unit": self.unit,
            "model": json.loads(self._model.to_str()),
        }

    def _join(self, tokens: list[str]) -> str:
        return "".join(tokens).replace("▁", " ").removeprefix(" ")


def _library() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise RegardError(
            "subwords need the library tokenizers, which is not installed; "
            "pip install 'regard[text]', or take characters or words"
        ) from error
    return tokenizers

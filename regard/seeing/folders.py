"""Models of transformers from a folder on this machine: configuration, weights, tokenizer.

Only data is read: JSON, safetensors, vocabularies. Code that a folder may hold is never run, and
nothing is downloaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import RegardError, cause
from .subject import Subject, picture_subject, text_subject

_LOCAL = {"local_files_only": True, "trust_remote_code": False}
_VOCABULARIES = (
    "tokenizer.json", "vocab.txt", "vocab.json", "tokenizer.model", "spiece.model",
    "sentencepiece.bpe.model",
)  # fmt: skip
_MOST_TOKENS = 256
_WRITTEN = 16  # tokens that an encoder-decoder writes, to be looked at


def is_folder(name: str) -> bool:
    """Whether a name is a folder with a configuration of transformers."""
    return (Path(name).expanduser() / "config.json").is_file()


def load_model(folder: str | Path) -> tuple[nn.Module, bool]:
    """The model of a folder, and whether its weights were there; without, they are random.

    Raises:
        RegardError: for a folder without an architecture that transformers knows, or weights that
            are no safetensors.
    """
    transformers = _transformers()
    place = Path(folder).expanduser()
    try:
        facts = json.loads((place / "config.json").read_text(encoding="utf-8"))
        architecture = str((facts.get("architectures") or [""])[0])
        kind = getattr(transformers, architecture, None) or transformers.AutoModel
        if (place / "model.safetensors").exists() or list(place.glob("model-*.safetensors")):
            made = kind.from_pretrained(place, use_safetensors=True, **_LOCAL)
            return made.eval(), True
        if list(place.glob("*.bin")):
            raise RegardError(f"{place} has weights as .bin; only .safetensors are read")
        config = transformers.AutoConfig.from_pretrained(place, **_LOCAL)
        made = (
            kind._from_config(config) if hasattr(kind, "_from_config") else kind.from_config(config)
        )
    except RegardError:
        raise
    except Exception as error:
        raise RegardError(f"{place} gives no model of transformers: {cause(error)}") from error
    return made.eval(), False


def folder_subject(
    folder: str, *, picture: str | None = None, text: str | None = None, target: int | None = None
) -> Subject:
    """The model of a folder and a picture or a text.

    Raises:
        RegardError: as :func:`load_model`, for a missing tokenizer, or an input it does not take.
    """
    model, weighted = load_model(folder)
    name = Path(folder).expanduser().name
    if not weighted:
        name = f"{name} (random weights)"
    if picture is not None:
        return _pictured(model, name, picture, target)
    if text is None:
        raise RegardError(f"{folder}: an image file or a text is needed")
    return _written(model, name, folder, text, target)


def _pictured(model: nn.Module, name: str, picture: str, target: int | None) -> Subject:
    config: Any = model.config
    size = getattr(config, "image_size", None)
    if size is None:
        raise RegardError(f"{name} takes no pictures: its configuration has no image_size")
    side = int(size if isinstance(size, int) else size[0])
    half = ((0.5,) * 3, (0.5,) * 3)
    channels = int(getattr(config, "num_channels", 3))
    return picture_subject(
        model, name, picture, side, channels=channels, argument="pixel_values", target=target,
        scale=half if channels == 3 else None,
    )  # fmt: skip


def _written(model: nn.Module, name: str, folder: str, text: str, target: int | None) -> Subject:
    tokenizer = _tokenizer(folder)
    inputs = dict(tokenizer(text, return_tensors="pt", truncation=True, max_length=_MOST_TOKENS))
    inputs = {"input_ids": inputs.pop("input_ids"), **inputs}
    if not inputs["input_ids"].numel():
        raise RegardError(f"the text {text!r} has no token in the vocabulary of {name}")
    config: Any = model.config
    written: list[int] = []
    if getattr(config, "is_encoder_decoder", False):
        inputs["decoder_input_ids"] = _answer(model, inputs)
        written = inputs["decoder_input_ids"][0].tolist()
    ids = inputs["input_ids"][0].tolist()
    blanks = (tokenizer.mask_token_id, tokenizer.unk_token_id, tokenizer.pad_token_id, 0)
    blank = next(b for b in blanks if b is not None)
    labels = getattr(config, "id2label", None) or {}
    speaks = int(getattr(config, "vocab_size", 0) or 0)

    def words(number: int) -> str:
        if model.get_output_embeddings() is not None and number < speaks:  # type: ignore[operator]
            return str(tokenizer.decode([number]))
        return str(labels.get(number, number))

    return text_subject(
        model, name, inputs, tokenizer.convert_ids_to_tokens(ids),
        written=tokenizer.convert_ids_to_tokens(written), spoken=written, blank=blank,
        words=words, target=target,
    )  # fmt: skip


@torch.no_grad()
def _answer(model: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """What an encoder-decoder writes, ``[1, T]``, without the token that would come next."""
    written: torch.Tensor = model.generate(**inputs, max_new_tokens=_WRITTEN, do_sample=False)
    return written


def _tokenizer(folder: str) -> Any:
    place = Path(folder).expanduser()
    # Without a vocabulary transformers may make a tokenizer that knows no word.
    if not any((place / name).is_file() for name in _VOCABULARIES):
        raise RegardError(
            f"{folder} has no tokenizer to read a text with; tokenizer.json beside it works"
        )
    try:
        return _transformers().AutoTokenizer.from_pretrained(place, **_LOCAL)
    except Exception as error:
        raise RegardError(f"the tokenizer of {folder} cannot be read: {cause(error)}") from error


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise RegardError(
            f"models of a folder need transformers: {cause(error)}; pip install 'regard[text]'"
        ) from error
    return transformers

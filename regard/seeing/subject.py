"""A model and one input for it: a picture from a file, or a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..data.picture import decode
from ..errors import RegardError, cause
from ..page.pixels import upright
from ..surgery.carrier import first_tensor
from ..surgery.observation import left_as_found
from .canvas import Scene
from .erasure import Erase, blanking, blurring
from .heat import Heat
from .methods import PICTURES, TEXTS, Method
from .targets import Target, call, logits_of, saying

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_MOST_SHOWN = 192  # pixels of the longer side of the picture on a page


@dataclass(frozen=True, eq=False)
class Subject:
    """What is looked at.

    Args:
        model: in eval mode.
        name: of the model, for people.
        x: its input, a batch of one.
        scene: the input as it is shown.
        target: what is explained.
        answer: what the model says of the input, in a sentence.
        notes: what should be known, in sentences.
        blank: id of the token that stands for a token taken away.
        spoken: ids of the text that the model wrote, the mark of its beginning first.
    """

    model: nn.Module
    name: str
    x: Any
    scene: Scene
    target: Target
    answer: str
    notes: tuple[str, ...] = ()
    blank: int = 0
    spoken: tuple[int, ...] = ()

    @property
    def methods(self) -> Mapping[str, Method]:
        """The ways of making a heat."""
        return TEXTS if self.scene.pixels is None else PICTURES

    def erase(self, heat: Heat) -> Erase:
        """How places of the heat are taken away from the input."""
        first = first_tensor(self.x)
        if first is None:
            raise RegardError(f"the input of {self.name} holds no tensor")
        if heat.pictured:
            erase = blurring(first, (heat.values.shape[1], heat.values.shape[2]))
            return self._named(erase)
        name, *_ = self.x
        others = {k: v for k, v in self.x.items() if k != name}
        return blanking(self.x[name], self.blank, others, name)

    def _named(self, erase: Erase) -> Erase:
        """The picture under the name that the model takes it by."""
        if not isinstance(self.x, Mapping):
            return erase
        (name,) = self.x
        return lambda keep: {name: erase(keep)}


def picture_subject(
    model: nn.Module,
    name: str,
    path: str | Path,
    size: int,
    *,
    channels: int = 3,
    scale: tuple[Sequence[float], Sequence[float]] | None = None,
    argument: str | None = None,
    target: int | None = None,
) -> Subject:
    """A model of pictures and one picture.

    Args:
        model: takes ``[B, C, H, W]``.
        name: of the model, for people.
        path: an image file; it is resized to a square.
        size: side in pixels.
        channels: of the picture.
        scale: mean and deviation by which pixels from 0 to 1 are normalised; default: ImageNet's
            for three channels, 0.5 and 0.5 for others.
        argument: name by which the model takes the picture; None: the first.
        target: the class explained; default: the one with the highest score.

    Raises:
        RegardError: for a file that is no image, or a model that cannot be run on it.
    """
    pixels = decode(Path(path), channels=channels, width=size, height=size)
    x = normalised(torch.from_numpy(pixels.copy())[None], scale)
    side = min(size, _MOST_SHOWN)
    shown = decode(Path(path), channels=channels, width=side, height=side)
    scene = Scene(upright(shown))
    given: Any = x if argument is None else {argument: x}
    return _subject(model, name, given, scene, target=target)


def normalised(
    pixels: Tensor, scale: tuple[Sequence[float], Sequence[float]] | None = None
) -> Tensor:
    """uint8 ``[B, C, H, W]`` as a model takes them, float32; ``scale`` as above."""
    mean, deviation = scale or (IMAGENET if pixels.shape[1] == 3 else ((0.5,), (0.5,)))
    columns = [torch.tensor(numbers).view(1, -1, 1, 1) for numbers in (mean, deviation)]
    return (pixels.float() / 255 - columns[0]) / columns[1]


def text_subject(
    model: nn.Module,
    name: str,
    inputs: Mapping[str, Tensor],
    tokens: Sequence[str],
    *,
    written: Sequence[str] = (),
    spoken: Sequence[int] = (),
    blank: int = 0,
    words: Callable[[int], str] = str,
    target: int | None = None,
) -> Subject:
    """A model of texts and one text.

    Args:
        model: takes ids and what else there is, by name.
        name: of the model, for people.
        inputs: ``[1, …]`` each, the ids first.
        tokens: the text in its tokens, for people.
        written: the text that the model wrote, likewise, as it was given to its decoder.
        spoken: the ids of that; then all of it is explained, unless ``target`` names a token.
        blank: id of the token that stands for one taken away.
        words: what a class or a token of the output is called.
        target: as for pictures.

    Raises:
        RegardError: for a model that cannot be run on it.
    """
    scene = Scene(None, tuple(tokens), written=tuple(written))
    if target is None and len(spoken) > 1:
        found = _speaking(model, name, dict(inputs), scene, spoken)
    else:
        found = _subject(model, name, dict(inputs), scene, target=target, words=words)
    return replace(found, blank=blank, spoken=tuple(spoken))


def _speaking(model: nn.Module, name: str, x: Any, scene: Scene, spoken: Sequence[int]) -> Subject:
    score = saying(spoken)
    with left_as_found(model.eval()), torch.no_grad():
        likely = float(score(call(model, x))[0].exp())
    answer = f"Explained is all that it wrote, with a mean probability of {likely:.3f} a token."
    return Subject(model, name, x, scene, score, answer)


def _subject(
    model: nn.Module,
    name: str,
    x: Any,
    scene: Scene,
    *,
    target: int | None,
    words: Callable[[int], str] = str,
) -> Subject:
    model = model.eval()
    output = _run(model, name, x)
    try:
        logits = logits_of(output)
    except RegardError:
        note = "The model names no classes: what is explained is the length of its output."
        return Subject(model, name, x, scene, _length, "It gives no classes.", (note,))
    chosen = int(logits[0].argmax()) if target is None else target
    if not 0 <= chosen < logits.shape[1]:
        raise RegardError(f"target {chosen}: there are {logits.shape[1]} classes, from 0")
    share = float(logits.float().softmax(1)[0, chosen])
    best = "its answer" if target is None else "the class asked for"
    answer = f"Explained is {best}, {words(chosen)!r}, with a probability of {share:.3f}."
    return Subject(model, name, x, scene, chosen, answer)


def _run(model: nn.Module, name: str, x: Any) -> Any:
    """The output; whatever a model says of an input that is not for it is told as that."""
    try:
        with left_as_found(model), torch.no_grad():
            return call(model, x)
    except RegardError:
        raise
    except Exception as error:  # a model of anybody's may raise anything
        first = first_tensor(x)
        given = "its input" if first is None else f"an input {list(first.shape)}, {first.dtype}"
        raise RegardError(
            f"{name} does not run on {given}: {cause(error)}\n"
            "From Python any input works: with regard.see(model) as maps: model(…)"
        ) from error


def _length(output: Any) -> Tensor:
    """The length of the first tensor of an output, ``[B]``."""
    first = first_tensor(output)
    if first is None:
        raise RegardError("the output holds no tensor")
    return first.flatten(1).norm(dim=1)

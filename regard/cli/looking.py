"""The command that looks at a model on one input."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import RegardError
from .answer import Answer

_TEXTS = (".txt", ".text", ".md")


def look_at_model(options: Namespace) -> Answer:
    """Maps, heats and their tests."""
    from ..maps import Keep
    from ..seeing.files import save_figures
    from ..seeing.report import check_place, look

    place = check_place(options.out)
    subject = _subject(options)
    subject = replace(subject, scene=replace(subject.scene, asked=options.place))
    found = look(
        subject, Keep(at=options.at), test=not options.no_tests,
        watch=lambda line: print(line, file=sys.stderr, flush=True),
    )  # fmt: skip
    found.write_html(place)
    if options.figures is not None:
        save_figures(found, options.figures)
    return Answer(found.json() if options.json else f"{found.table()}\n\npage: {place}")


def _subject(options: Namespace) -> Any:
    """The model and its input."""
    from ..seeing.folders import folder_subject, is_folder
    from ..seeing.hosts import host_subject

    picture, text = options.input, options.text
    if (picture is None) == (text is None):
        raise RegardError("regard see takes one input: --input FILE, or --text TEXT")
    if picture is not None and Path(picture).suffix.lower() in _TEXTS:
        text = _read(Path(picture).expanduser())
        picture = None
    if is_folder(options.model):
        return folder_subject(options.model, picture=picture, text=text, target=options.target)
    if picture is None:
        raise RegardError(f"{options.model} takes pictures; --input FILE with an image works")
    return host_subject(
        options.model, picture, size=options.size, channels=options.channels,
        classes=options.classes, pretrained=options.pretrained, weights=options.weights,
        mechanism=options.mechanism, target=options.target,
    )  # fmt: skip


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RegardError(f"{path} gives no text: {error}") from error

"""The command that looks at a model on one input."""

from __future__ import annotations

import json
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
    if options.by_class:
        return _by_class(options, place)
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


def _by_class(options: Namespace, place: Path) -> Answer:
    """Gates by class and depth."""
    from ..seeing.folders import is_folder
    from ..seeing.hosts import host_gates

    if options.input is None or not Path(options.input).expanduser().is_dir():
        raise RegardError(
            f"--by-class takes a folder with one sub-folder of images a class as --input; got "
            f"{options.input!r}"
        )
    if options.text is not None or options.figures is not None or options.target is not None:
        raise RegardError("--by-class goes without --text, --target and --figures")
    if is_folder(options.model):
        raise RegardError(f"--by-class takes a network by name; {options.model} is a folder")
    label, gates = host_gates(_host(options), options.input, options.at)
    gates.page(f"Gates of {label} by class").write_html(place)
    facts = {"model": label, "classes": list(gates.classes), "spread": gates.spread()}
    text = json.dumps(facts, indent=2, ensure_ascii=False)
    return Answer(text if options.json else f"{gates.table()}\n\npage: {place}")


def _host(options: Namespace) -> Any:
    from ..seeing.hosts import Host

    return Host(
        options.model, options.size, options.channels, options.classes, options.pretrained,
        options.weights, options.mechanism,
    )  # fmt: skip


def _subject(options: Namespace) -> Any:
    """The model and its input."""
    from ..comparison.watched import is_kept, kept_subject
    from ..seeing.folders import folder_subject, is_folder
    from ..seeing.hosts import host_subject

    picture, text = options.input, options.text
    if (picture is None) == (text is None):
        raise RegardError("regard see takes one input: --input FILE, or --text TEXT")
    if picture is not None and Path(picture).suffix.lower() in _TEXTS:
        text = _read(Path(picture).expanduser())
        picture = None
    if is_kept(options.model):
        if text is None:
            raise RegardError(f"{options.model} is a kept network: --text TEXT works")
        return kept_subject(options.model, text)
    if is_folder(options.model):
        return folder_subject(options.model, picture=picture, text=text, target=options.target)
    if picture is None:
        raise RegardError(f"{options.model} takes pictures; --input FILE with an image works")
    if Path(picture).expanduser().is_dir():
        raise RegardError(f"{picture} is a folder; an image works, or --by-class for its classes")
    return host_subject(_host(options), picture, options.target)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RegardError(f"{path} gives no text: {error}") from error

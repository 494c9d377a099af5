"""Arguments that several commands have: how data is read, what a network is trained with."""

from __future__ import annotations

import argparse
from typing import Any

HOST = "small, timm:NAME, torchvision:NAME, package.module:factory or path/to/file.py:factory"
DATA = (
    "digits, translation, dates, tagging or classification, which are embedded; a folder with one "
    "sub-folder of images a class, or of IDX files; a file of text, or a folder with train and test"
)
NETWORK = "gru, lstm, transformer, bag, convolution, bigru, bilstm, bigru_attention, with options"
KINDS = ("images", "translation", "tagging", "classification")


def add_budget(add: Any) -> None:
    """What networks are trained with."""
    add(
        "--epochs", type=count, metavar="N",
        help="passes over the training data (default: 3, for text the task's own)",
    )  # fmt: skip
    add("--batch", type=count, metavar="N", help="images or texts a step (default: 64)")
    add(
        "--rate", type=float, metavar="X",
        help="highest learning rate (default: 0.006, for text the task's own)",
    )  # fmt: skip
    add("--decay", type=float, metavar="X", help="weight decay (default: 0.05 on embedded data)")
    add(
        "--dim", type=count, metavar="N",
        help="width of networks on text (default: 64 on embedded data, else the task's own)",
    )  # fmt: skip


def add_reading(parser: Any) -> None:
    """How data is read and prepared for networks that are to be trained."""
    add_source(parser)
    add = parser.add_argument_group("preparation").add_argument
    add("--task", choices=KINDS, help="where the form of the data does not tell it")
    add(
        "--unit", metavar="UNIT",
        help="of text: words, characters, subwords, or two of them for source,target "
        "(default: words)",
    )  # fmt: skip
    add("--tokens", type=count, metavar="N", help="of a vocabulary at most")
    add("--size", type=count, metavar="N", help="resize images to N by N pixels")
    add(
        "--validation", type=float, default=0.0, metavar="X",
        help="share of train held out for learning curves and for choices of yours, so that the "
        "test images are used once, at the end (default: 0, curves on the test images)",
    )  # fmt: skip


def add_source(parser: Any) -> None:
    """Where data lies, and what is measured on it."""
    add = parser.add_argument_group("data").add_argument
    add("--target", metavar="FILE", help="the translations of DATA, line by line")
    add(
        "--columns", type=columns, default=(), metavar="LIST",
        help="names or numbers of columns: text,label or source,target; of tags one, such as xpos",
    )  # fmt: skip
    add("--reverse", action="store_true", help="translate the other way")
    add("--test", metavar="FILE", help="test on this (default: a share of DATA)")
    add("--longest", type=count, metavar="N", help="leave out what has more characters or words")
    add(
        "--measure", metavar="NAME",
        help="what is compared: bleu, chrf or exact; accuracy or f1 (default: accuracy, for "
        "translation bleu, and exact on embedded data)",
    )  # fmt: skip
    add("--skip-bad", action="store_true", help="leave out what cannot be read")


def add_look(parser: Any) -> None:
    """A model, one input for it, and what is written of what it attends to."""
    add = parser.add_argument
    add_host(parser, "model", f"{HOST}, or a folder of transformers or of regard train")
    add("--input", metavar="FILE", help="an image, a text in UTF-8, or a folder with --by-class")
    add("--text", metavar="TEXT", help="a text, instead of a file")
    add("--target", type=int, metavar="N", help="the class explained (default: the model's answer)")
    add("--pretrained", action="store_true", help="with published weights, which may be downloaded")
    add("--weights", metavar="FILE", help="with the weights of a .safetensors file")
    add("--with", dest="mechanism", metavar="NAME@SITES", help="plug this in first")
    add("--at", default="**", help="maps of these layers only: a glob, or re:… (default: all)")
    add(
        "--place", type=place, default=(0.5, 0.5), metavar="DOWN,ACROSS",
        help="of the picture, in parts from 0 to 1: what it looks at is shown (default: 0.5,0.5)",
    )  # fmt: skip
    add(
        "--by-class", action="store_true",
        help="--input is a folder with one sub-folder of images a class: gates by class and depth",
    )  # fmt: skip
    add("--no-tests", action="store_true", help="without deletion, insertion and shuffled weights")
    add("--out", default="see.html", metavar="FILE", help="the page (default: see.html)")
    add("--figures", metavar="FOLDER", help="also every picture as PNG or SVG, and arrays")


def add_explanation(parser: Any) -> None:
    """A text or a picture, and the page that explains attention with it."""
    add = parser.add_argument
    add(
        "text", metavar="TEXT|IMAGE",
        help="English or Chinese, up to 64 tokens; or an image file such as photo.jpg",
    )  # fmt: skip
    add(
        "--to", metavar="TEXT", help="its translation: the decoder asks, TEXT gives keys and values"
    )
    add(
        "--on",
        metavar="FOLDER",
        help="a network of `regard train`, for texts or images (default: the one that ships)",
    )
    add_trust(add)
    add(
        "--lang", default="en", choices=("en", "zh"),
        help="the language that the page begins in (default: en)",
    )  # fmt: skip
    add("--out", default="explain.html", metavar="FILE", help="the page (default: explain.html)")


def add_trust(add: Any) -> None:
    """A kept network may name code of its user's."""
    add("--run-code", action="store_true", help="the folder names code of yours, which may be run")


def add_host(parser: Any, name: str, forms: str = HOST) -> None:
    """A network for images, with random weights."""
    parser.add_argument(name, metavar="MODEL", help=forms)
    parser.add_argument("--size", type=count, metavar="N", help="side of the images in pixels")
    parser.add_argument("--channels", type=count, metavar="N", help="of the images (default: 3)")
    parser.add_argument("--classes", type=count, default=10, metavar="N", help="default: 10")


def count(text: str) -> int:
    """A whole number of 1 or more."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)


def place(text: str) -> tuple[float, float]:
    """``0.5,0.25`` as two parts from 0 to 1."""
    try:
        down, across = map(float, text.split(","))
    except ValueError:
        down = across = -1.0
    if not (0 <= down <= 1 and 0 <= across <= 1):
        raise argparse.ArgumentTypeError(f"{text!r} is no place such as 0.5,0.25, from 0 to 1")
    return down, across


def columns(text: str) -> tuple[str, ...]:
    """``a,b`` as a tuple."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def seeds(text: str) -> tuple[int, ...]:
    """``5`` means the seeds 0 to 4; ``0,3,7`` means these; ``3,`` the seed 3 alone."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    whole = bool(parts) and all(part.isascii() and part.isdigit() for part in parts)
    seeds = tuple(map(int, parts)) if whole else ()
    if "," not in text and seeds:
        seeds = tuple(range(seeds[0]))
    if not seeds or len(set(seeds)) < len(seeds):
        raise argparse.ArgumentTypeError(
            f"{text!r} works neither as a number such as 5 nor as a list such as 0,3,7"
        )
    return seeds


def seed(text: str) -> int:
    """One seed."""
    return seeds(f"{text},")[0]

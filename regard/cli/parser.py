"""The command line's words: built without torch, so that ``--help`` answers at once."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from .. import __version__
from ..errors import nearest
from .arguments import (
    DATA,
    HOST,
    NETWORK,
    add_budget,
    add_explanation,
    add_host,
    add_look,
    add_reading,
    add_source,
    add_trust,
    count,
    seed,
    seeds,
)


class Parser(argparse.ArgumentParser):
    """Says in two lines what was wrong and what would work."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})
        self.known: dict[str, Parser] = {}

    def parse(self, arguments: Sequence[str] | None = None) -> argparse.Namespace:
        """The options of one command; a misspelt one is answered with the nearest."""
        options, rest = self.parse_known_args(arguments)
        if rest:
            command = self.known[options.command]
            asked = rest[0].split("=")[0]
            words = [o for a in command._actions for o in a.option_strings if o.startswith("--")]
            near = nearest(asked, words) if asked.startswith("-") else ""
            command.error(f"unknown argument {asked}{near}")
        return options

    def error(self, message: str) -> NoReturn:
        """Exit with code 2."""
        found = re.search(
            r"argument ([^:]+): invalid choice: '([^']*)' .choose from (.*)\)", message
        )
        if found:
            known = re.findall(r"[\w-]+", found[3])
            near = nearest(found[2], known) if len(known) > 4 else f"; known: {', '.join(known)}"
            message = f"{found[1]}: {found[2]!r} is unknown{near}"
        self.exit(2, f"{self.prog}: {message}\n{self.prog} --help lists what works\n")


def make_parser() -> Parser:
    """The whole parser."""
    parser = Parser(
        prog="regard",
        description="Attention mechanisms: got, plugged into any model, compared fairly, seen.",
        epilog="The main job: regard compare (without arguments: the embedded digits). "
        "Exit code: 0 done, 1 could not be done, 2 mistake on the command line, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"regard {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (
        _list, _show, _cite, _sites, _see, _explain, _compare, _report, _train, _predict, _score,
        _measure, _bench, _check, _doctor, _completion,
    ):  # fmt: skip
        add(commands)
    parser.known = commands.choices
    return parser


def _command(commands: Any, name: str, text: str, json: bool = True) -> Any:
    made = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    if json:
        made.add_argument("--json", action="store_true", help="print JSON instead of text")
    return made


def _list(commands: Any) -> None:
    parser = _command(commands, "list", "list the mechanisms")
    parser.add_argument("--family", help="only this family: channel, spatial, tokens")
    parser.add_argument(
        "--takes", help="only these: map, maps, tokens, pooled, position, convolution"
    )


def _show(commands: Any) -> None:
    parser = _command(commands, "show", "show the card of a mechanism: paper, options, cost")
    parser.add_argument("name", metavar="NAME", help="name, alias, module:name or file.py:name")


def _cite(commands: Any) -> None:
    parser = _command(commands, "cite", "print the BibTeX of mechanisms, each paper once")
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="names, aliases, module:name or file.py:name"
    )


def _sites(commands: Any) -> None:
    parser = _command(commands, "sites", "list the places of a model where a mechanism can go")
    add_host(parser, "model")
    parser.add_argument("--at", default="**", help="site pattern: a glob, or re:… (default: all)")
    parser.add_argument("--before", action="store_true", help="on the input of modules")


def _see(commands: Any) -> None:
    add_look(_command(commands, "see", "look at what a model attends to, and whether it matters"))


def _explain(commands: Any) -> None:
    add_explanation(_command(commands, "explain", "explain attention by real numbers"))


def _compare(commands: Any) -> None:
    parser = _command(
        commands, "compare", "train mechanisms under one budget and say which one helps"
    )
    add = parser.add_argument
    add("data", nargs="?", default="digits", metavar="DATA", help=f"{DATA} (default: digits)")
    add("--on", metavar="NETWORK", help=f"{HOST}; for text {NETWORK} (default: the task's own)")
    add(
        "--with", dest="mechanisms", metavar="LIST",
        help="mechanisms: none,se,cbam(reduction=8),eca@layer2.*+layer3.*; for text attention that "
        "is built in, and networks beside it: none,additive,transformer(heads=8) "
        "(default for images: none,se,eca,cbam,spatial_transformer,multihead)",
    )  # fmt: skip
    add(
        "--controls", default="auto", metavar="LIST",
        help="of widened,longer,placebo, or none (default: widened, where a network can be)",
    )  # fmt: skip
    add(
        "--seeds", type=seeds, metavar="N",
        help="how many, or a list such as 0,3,7 (default: 5 or 3)",
    )  # fmt: skip
    add_budget(add)
    add_reading(parser)
    add("--pretrained", action="store_true", help="start from published weights")
    add(
        "--delta", type=float, default=0.5, metavar="X",
        help="largest difference in points that does not matter (default: 0.5)",
    )  # fmt: skip
    add("--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: auto")
    add("--workers", type=count, metavar="N", help="trials at a time (default: one a core or GPU)")
    add("--out", metavar="FOLDER", help="where trials and report go (default: runs/DATA-NETWORK)")


def _report(commands: Any) -> None:
    parser = _command(commands, "report", "write the report of a comparison again, finished or not")
    parser.add_argument("folder", metavar="FOLDER", help="what compare wrote")
    parser.add_argument("--out", metavar="FILE", help="default: FOLDER/report.html")
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def _train(commands: Any) -> None:
    parser = _command(commands, "train", "train one network and keep it in a folder")
    add = parser.add_argument
    add("data", metavar="DATA", help=DATA)
    add("--on", metavar="NETWORK", help=f"{HOST}; for text {NETWORK} (default: the task's own)")
    add(
        "--with", dest="mechanism", metavar="NAME",
        help="one mechanism to plug, or an attention to build in",
    )  # fmt: skip
    add("--seed", type=seed, default=0, metavar="N", help="default: 0")
    add_budget(add)
    add_reading(parser)
    add("--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: auto")
    add("--out", required=True, metavar="FOLDER", help="where it is kept")


def _predict(commands: Any) -> None:
    parser = _command(
        commands, "predict", "answer each line of standard input with one line: a translation, "
        "tags, a class; for a network on images a line is the path of one",
    )  # fmt: skip
    add = parser.add_argument
    add("folder", metavar="FOLDER", help="what train wrote")
    add("--beams", type=count, default=1, metavar="N", help="of a translation (default: 1, greedy)")
    add_trust(add)


def _score(commands: Any) -> None:
    parser = _command(commands, "score", "measure a kept network on data")
    add = parser.add_argument
    add("folder", metavar="FOLDER", help="what train wrote")
    add("data", metavar="DATA", help="its test part is taken; a file alone is taken whole")
    add_trust(add)
    add_source(parser)


def _measure(commands: Any) -> None:
    parser = _command(
        commands, "measure", "measure parameters, MACs, latency and memory of a model"
    )
    add_host(parser, "model")
    parser.add_argument("--with", dest="mechanism", metavar="NAME", help="plug this in, NAME@SITES")
    parser.add_argument("--batch", type=count, default=1, metavar="N", help="default: 1")
    parser.add_argument(
        "--threads", type=count, metavar="N", help="of the CPU (default: PyTorch's)"
    )


def _bench(commands: Any) -> None:
    parser = _command(
        commands, "bench", "check mechanisms, then time them beside the plain form, torch.compile, "
        "timm's and a copy",
    )  # fmt: skip
    add = parser.add_argument
    add(
        "names", nargs="*", metavar="NAME",
        help="mechanisms, such as cbam or 'se(reduction=8)' "
        "(default: se cbam additive)",
    )  # fmt: skip
    add("--modules", action="store_true", help="modules alone")
    add("--networks", action="store_true", help="networks without and with them, compiled too")
    add("--growth", action="store_true", help="cost as batch, size, channels or length grow")
    add("--on", default="small", metavar="HOST", help=f"the network: {HOST} (default: small)")
    add("--batch", type=count, default=32, metavar="N", help="images of the network (default: 32)")
    add("--size", type=count, metavar="N", help="side of these images in pixels")
    add(
        "--shape", action="append", default=[], metavar="BxCxHxW",
        help="of a module's input, BxNxD for tokens; may be repeated "
        "(default: 8x256x56x56 and 8x256x256)",
    )  # fmt: skip
    add(
        "--without", default="", metavar="LIST",
        help="contenders to leave out, of compiled,timm,copy,plain",
    )  # fmt: skip
    add(
        "--seconds", type=float, default=1.0, metavar="X",
        help="for a case that stays undecided (default: 1)",
    )  # fmt: skip
    add("--dtype", default="float32", metavar="TYPE", help="or bfloat16, … (default: float32)")
    add("--device", default="auto", choices=("auto", "cpu", "cuda"), help="default: auto")
    add("--threads", type=count, metavar="N", help="of the CPU (default: PyTorch's)")
    add(
        "--out", action="append", default=[], metavar="FILE",
        help="write it to a .csv, a .json, or a .html with pictures; may be repeated",
    )  # fmt: skip


def _check(commands: Any) -> None:
    parser = _command(commands, "check", "check that a mechanism keeps the contract")
    parser.add_argument("name", metavar="NAME", help="name, alias, module:name or file.py:name")
    parser.add_argument("--rules", metavar="LIST", help="only these, separated by commas")


def _doctor(commands: Any) -> None:
    _command(commands, "doctor", "look for what is missing or broken on this machine")


def _completion(commands: Any) -> None:
    parser = _command(commands, "completion", "print the completion script of a shell", json=False)
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))

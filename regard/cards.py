"""What is known of a mechanism, as data.

Tables, tests, documentation and the command line are derived from cards; nothing is written twice.
A card imports nothing of the package, so that every other module may import it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

Takes = Literal["map", "maps", "tokens", "pooled", "position", "convolution"]
Start = Literal["gate", "residual", "theta", "none"]
Place = Literal["branch", "input", "stage"]
Position = Literal["", "add", "rotate", "bias"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """The facts of one mechanism.

    Args:
        name: the paper's short name, lower case, words joined by underscores.
        title: the name people say.
        module: the class; called as ``module(size, **options)``.
        takes: what goes in and comes out, the kind of ``forward``:
            ``map``: ``[B, C, *space]`` → the same;
            ``maps``: two of them, the second perhaps of another resolution → one like the first;
            ``tokens``: ``[B, N, D]`` → the same, keys and values perhaps of another source;
            ``pooled``: tokens ``[B, N, D]`` → one vector each, ``[B, D]``;
            ``position``: a code of places, see there;
            ``convolution``: ``[B, C, *space]`` → the same by default, in place of a convolution.
        family: what it attends over: ``channel``, ``spatial``, ``tokens``; several are allowed.
        start: how it can begin as the identity. ``gate``: the gate is 2σ of a zero layer;
            ``residual``: x + m(x) with a zero last projection; ``theta``: an identity warp;
            ``none``: it cannot, so plugging wants ``start="paper"``; the handle shows the drift.
        paper: identifier of the paper, such as ``arXiv:1709.01507``.
        year, authors: of the paper.
        bibtex: the entry to cite.
        code: the first-party repository, empty where there is none.
        code_licence: its licence.
        aliases: other names in use.
        variants: names of the variants, the default first.
        parameters: a formula in the size ``C`` and the option names, checked against the module.
        complexity: extra work and memory, in words of the field.
        position: what a ``position`` code is, and how forward takes it:
            ``add``: tokens ``[B, N, D]`` → tokens plus a code;
            ``rotate``: queries, or keys, ``[B, h, N, d]`` → the same, turned;
            ``bias``: queries and by default as many keys, ``[B, h, N, d]``, for their numbers alone
            → logits ``[h, Nq, Nk]`` for ``attend(…, bias=)``, the queries being the last of the
            keys; its size is h.
        place: where it goes by default: the end of every residual ``branch``, the ``input`` of the
            first convolution, or the map after the last ``stage``.
        before: it acts on a site's input rather than on its output.
        dims: numbers of spatial dimensions a map may have.
        slow: part of the module's parameter names → factor on the learning rate.
        options: constructor arguments the checks use besides the size.
        waives: check → the reason why it does not apply.
    """

    name: str
    title: str
    module: Callable[..., Any]
    takes: Takes
    family: tuple[str, ...]
    start: Start
    paper: str
    year: int
    authors: str
    bibtex: str
    parameters: str
    complexity: str
    code: str = ""
    code_licence: str = ""
    aliases: tuple[str, ...] = ()
    variants: tuple[str, ...] = ("paper",)
    position: Position = ""
    place: Place = "branch"
    before: bool = False
    dims: tuple[int, ...] = (2,)
    slow: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    waives: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        for label, value, known in (
            ("takes", self.takes, get_args(Takes)),
            ("start", self.start, get_args(Start)),
            ("place", self.place, get_args(Place)),
            ("position", self.position, get_args(Position)),
        ):
            if value not in known:
                raise ValueError(f"card {self.name!r}: {label} is {value!r}; known: {known}")
        if (self.takes == "position") != bool(self.position):
            raise ValueError(
                f"card {self.name!r}: takes is {self.takes!r} and position {self.position!r}; a "
                f"position code is one of {get_args(Position)[1:]}, and nothing else is"
            )

    def facts(self) -> dict[str, Any]:
        """The card as plain data for JSON, without the class."""
        names = [n for n in self.__dataclass_fields__ if n != "module"]
        return {n: _plain(getattr(self, n)) for n in names}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return list(value) if isinstance(value, tuple) else value

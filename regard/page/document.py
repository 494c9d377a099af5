"""The page itself: one HTML file with everything in it, which asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import tempfile
import webbrowser
from importlib.resources import files
from pathlib import Path

from ..errors import RegardError, unwritable
from .bilingual import both
from .markup import Child, Markup, element, join

_LONG = 60  # letters of a title that is written smaller
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class Page:
    """A page of titled sections: add to it, then write, open or show it.

    Args:
        title: of the document and its first heading.
        language: of the text, as in ``en`` or ``zh-CN``.
        lead: a paragraph under the title.
        bilingual: its text is there in English and in Chinese, see ``both``; a switch changes
            from the one to the other, and ``language`` is the first.

    Raises:
        RegardError: ``language`` is no language tag.
    """

    def __init__(
        self, title: str, language: str = "en", lead: str = "", *, bilingual: bool = False
    ) -> None:
        if not _LANGUAGE.fullmatch(language):
            raise RegardError(f"language={language!r}; a tag such as 'en' or 'zh-CN' would work")
        self.title = title
        self.language = language
        self.lead = lead
        self.bilingual = bilingual
        self._style, self._script = _part("style.css"), _part("page.js")
        self._sections: dict[str, tuple[str, Markup]] = {}

    def add(self, section_title: str, *fragments: Child) -> Page:
        """One more section; plain strings are escaped and become paragraphs. Returns the page.

        The title is plain text, or ``Markup`` such as ``both`` makes.
        """
        parts = [part if isinstance(part, Markup) else _paragraph(part) for part in fragments]
        self._sections[self._anchor(section_title)] = (section_title, join(*parts))
        return self

    def include(self, style: Markup, script: Markup) -> Page:
        """Style and script of this page alone, behind those of all pages. Returns the page.

        They are files of the package, never text from somewhere.
        """
        self._style = Markup(self._style + style)
        self._script = Markup(self._script + script)
        return self

    def html(self) -> str:
        """The whole document."""
        style, script = self._style, self._script
        head = element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=_policy(style, script)),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("meta", name="referrer", content="no-referrer"),
            element("title", self.title),
            # An icon of nothing, or else a browser asks the server for one.
            element("link", rel="icon", href="data:image/png;base64,"),
            element("style", style),
            element("script", script),
        )
        return "<!DOCTYPE html>\n" + element("html", head, self._body(), lang=self.language) + "\n"

    def write_html(self, path: str | os.PathLike[str]) -> Path:
        """Write the page whole or not at all; an older file is replaced. Returns the path.

        Raises:
            RegardError: the file cannot be written.
        """
        target = Path(path).expanduser()
        half = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            half.write_bytes(self.html().encode("utf-8"))
            half.replace(target)
        except OSError as error:
            raise unwritable(target, error) from error
        finally:
            half.unlink(missing_ok=True)
        return target

    def open(self) -> Path:
        """Write the page to a temporary file and show it in the browser. Returns the path.

        Raises:
            RegardError: the file cannot be written, or there is no browser.
        """
        path = self.write_html(Path(tempfile.mkdtemp(prefix="regard-")) / "page.html")
        if not webbrowser.open(path.as_uri()):
            raise RegardError(f"no browser could be opened; the page is {path}")
        return path

    def _repr_html_(self) -> str:
        """In a notebook: a frame of its own, apart from the notebook's styles and data."""
        return element(
            "iframe",
            srcdoc=self.html(),
            sandbox="allow-scripts",
            title=self.title,
            width="100%",
            height=640,
            frameborder=0,
        )

    def _body(self) -> Markup:
        sections = [
            element("section", element("h2", title, id=f"{anchor}-title"), content, id=anchor)
            for anchor, (title, content) in self._sections.items()
        ]
        return element(
            "body",
            element("a", self._skip(), href="#content", class_="skip"),
            element(
                "header",
                element("button", type="button", id="theme", hidden=True),
                element("button", type="button", id="language", hidden=True)
                if self.bilingual
                else None,
                element("h1", self.title, class_="long" if len(self.title) > _LONG else None),
                element("p", self.lead, class_="lead") if self.lead else None,
                self._contents(),
            ),
            element("main", *sections, id="content", tabindex=-1),
        )

    def _skip(self) -> Child:
        text = "Skip to the content"
        return both(text, "跳到正文") if self.bilingual else text

    def _contents(self) -> Markup | None:
        """Links to the sections, where there are enough of them to look for one."""
        if len(self._sections) < 3:
            return None
        links = [
            element("li", element("a", title, href=f"#{anchor}"))
            for anchor, (title, _) in self._sections.items()
        ]
        return element("nav", element("ul", *links), aria_label="Contents")

    def _anchor(self, title: str) -> str:
        plain = re.sub(r"<[^>]*>", " ", title) if isinstance(title, Markup) else title
        word = re.sub(r"\W+", "-", plain.lower()).strip("-") or "section"
        taken, number = {"content", "theme", "language", *self._sections}, 2
        anchor = word
        while anchor in taken:
            anchor, number = f"{word}-{number}", number + 1
        return anchor


def _paragraph(part: Child) -> Markup | None:
    return None if part is None else element("p", part)


def _part(name: str) -> Markup:
    text = files("regard.page").joinpath(name).read_text(encoding="utf-8")
    return Markup(text.replace("\r\n", "\n"))


def _policy(style: str, script: str) -> str:
    """Nothing is loaded; only this style sheet and this script run, known by their hashes."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()

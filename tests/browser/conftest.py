"""A real browser: Chromium, driven by Playwright. Without it these tests skip, and say so loudly.

Where ``REGARD_BROWSER`` is set, as in CI, they fail instead. ``REGARD_CHROMIUM``
names a browser; ``REGARD_SHOTS`` a folder that screenshots are kept in.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

HOW = "pip install playwright && playwright install chromium, or apt-get install chromium"


def _absent(what: str) -> None:
    message = f"NO BROWSER TESTS: {what} is missing; {HOW}"
    if os.environ.get("REGARD_BROWSER"):
        pytest.fail(message)
    warnings.warn(message, stacklevel=2)
    pytest.skip(message)


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    try:
        from playwright.sync_api import Error, sync_playwright
    except ModuleNotFoundError:
        _absent("playwright")
    named = os.environ.get("REGARD_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=named, args=["--no-sandbox"])
        except Error:
            _absent("Chromium")
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """A written page, opened; what it asks for or complains of fails the test at its end."""
    trouble: list[str] = []
    contexts = []

    def go(path: Path, width: int = 1200, **options: str):
        context = chromium.new_context(viewport={"width": width, "height": 850}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda r: r.url.startswith(("file:", "data:")) or trouble.append(r.url))
        page.on("console", lambda m: m.type in ("error", "warning") and trouble.append(m.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto(path.as_uri())
        return page

    yield go
    for context in contexts:
        context.close()
    assert trouble == []

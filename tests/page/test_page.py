from __future__ import annotations

import ast
import sys
from pathlib import Path

import regard.page

FOLDER = Path(__file__).parents[2] / "regard" / "page"


def imported(path):
    """Absolute names of the modules that a file of the kit imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ("", "regard.page.", "regard.")[node.level]
            yield f"{base}{node.module or ''}"


def test_the_kit_needs_no_torch_and_nothing_to_its_right():
    for path in FOLDER.glob("*.py"):
        for name in imported(path):
            root = name.partition(".")[0]
            own = name == "regard.errors" or name.startswith("regard.page")
            assert own or root in sys.stdlib_module_names or root in ("numpy", "PIL"), (path, name)


def test_only_pictures_need_numpy():
    users = {path.stem for path in FOLDER.glob("*.py") if "numpy" in imported(path)}
    assert users == {"colours", "pixels", "pictures", "matrixplot"}


def test_every_public_name_is_there_and_documented():
    for name in regard.page.__all__:
        assert getattr(regard.page, name).__doc__

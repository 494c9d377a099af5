"""The house rules of DESIGN.md: the import order, the sizes, the public list."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import regard

PACKAGE = Path(regard.__file__).parent
# A module imports only from modules to its left.
ORDER = [
    "errors", "cards", "page", "ops", "mechanisms", "catalogue", "surgery", "maps", "checks",
    "cost", "networks", "data", "tasks", "training", "seeing", "comparison", "explaining", "bench",
    "handbook", "doctor", "cli",
]  # fmt: skip
VERBS = [
    "names", "card", "cite", "get", "sites", "plug", "plugged", "unplug", "save", "load",
    "see", "explain", "measure", "train", "compare", "Plan", "RegardError",
]  # fmt: skip
FILES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES, MOST_FUNCTION, MOST_ARGUMENTS = 260, 45, 9


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def imported(path: Path) -> set[tuple[str, ...]]:
    """What a file imports from the package, as paths below it: ("ops", "warp")."""
    here = path.relative_to(PACKAGE).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = here[: len(here) - node.level + 1]
            stem = (*base, *(node.module or "").split(".")) if node.module else base
            found |= {(*stem, alias.name) for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("regard"):
            found.add(tuple(node.module.split(".")[1:]) or ("",))
    return found


def room(parts: tuple[str, ...]) -> str:
    return parts[0].removesuffix(".py") if parts else ""


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_module_imports_only_from_its_left(path):
    own = room(path.relative_to(PACKAGE).parts)
    if own in ("__init__", "__main__"):
        return
    for target in imported(path):
        other = room(target)
        if other in ORDER and other != own:
            assert ORDER.index(other) < ORDER.index(own), f"{own} imports {other}"


def test_every_room_is_in_the_order():
    rooms = {room(p.relative_to(PACKAGE).parts) for p in FILES} - {"__init__", "__main__"}
    assert rooms == set(ORDER)


FOLDERS = sorted(
    init.parent
    for init in PACKAGE.rglob("__init__.py")
    if init.parent not in (PACKAGE, PACKAGE / "mechanisms")
)


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_inside_a_folder_the_init_states_the_order(folder):
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    stated = re.search(r"Order: ([\w\s,→]+)[.;]", text)
    assert stated, f"{folder.name}/__init__.py does not state its order"
    order = re.findall(r"\w+", stated[1])
    modules = {p.stem for p in folder.glob("*.py")} - {"__init__", "__main__"}
    assert set(order) == modules
    here = folder.relative_to(PACKAGE).parts
    for path in folder.glob("[!_]*.py"):
        for target in imported(path):
            inside = target[: len(here)] == here and target[len(here) : len(here) + 1]
            if inside and inside[0] in order:
                assert order.index(inside[0]) < order.index(path.stem), f"{path.name}: {target}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_and_functions_stay_small(path):
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= MOST_LINES
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            body = [n for n in node.body if not isinstance(n, ast.Expr)]
            length = (body[-1].end_lineno - body[0].lineno + 1) if body else 0
            assert length <= MOST_FUNCTION, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_assert_on_input_and_no_swallowing(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Assert), f"assert in line {node.lineno}"
        if isinstance(node, ast.FunctionDef) and path.parent.name == "mechanisms":
            assert node.args.kwarg is None, f"{node.name} swallows options"
            count = len(node.args.args) + len(node.args.kwonlyargs)
            assert count <= MOST_ARGUMENTS + 2, f"{node.name} takes {count} arguments"


def test_no_drawer():
    drawers = {"utils", "util", "common", "helpers", "misc", "tools"}
    assert not drawers & {part for p in FILES for part in p.with_suffix("").parts}


def test_the_public_list_is_frozen():
    assert sorted(regard.__all__) == sorted(VERBS)
    for name in VERBS:
        assert callable(getattr(regard, name))


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import regard, regard.cli, sys; print([m for m in ('torch', 'numpy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_no_function_hides_the_module_it_lives_in():
    for init in PACKAGE.rglob("__init__.py"):
        modules = {p.stem for p in init.parent.glob("*.py")} | {
            p.name for p in init.parent.iterdir() if p.is_dir()
        }
        for node in ast.walk(ast.parse(init.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not {a.asname or a.name for a in node.names} & modules, init

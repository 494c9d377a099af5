import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import regard
from regard.comparison import sources
from regard.comparison.sources import code_fingerprint, imported_beside, library_versions
from regard.errors import RegardError

BOOBY_TRAPPED = "open(__file__ + '.ran', 'w').close()\n"

EDITS = """
import json, sys
from pathlib import Path
from regard.comparison.sources import code_fingerprint
import regard

root = Path(regard.__file__).parent
arms = [None, "se", "eca", "cbam", "multihead"]
def prints(): return [code_fingerprint(arm, "small") for arm in arms]
before, found = prints(), {}
for name in json.loads(sys.argv[1]):
    file = root / name
    text = file.read_text()
    file.write_text(text + "#")
    found[name] = [a for a, old, new in zip(arms, before, prints()) if old != new]
    file.write_text(text)
    assert prints() == before
print(json.dumps(found))
"""


def test_one_byte_makes_those_trials_stale_that_it_may_change(tmp_path):
    shutil.copytree(
        Path(regard.__file__).parent, tmp_path / "regard", ignore=shutil.ignore_patterns("__pyc*")
    )
    everything = [None, "se", "eca", "cbam", "multihead"]
    expected = {
        "mechanisms/se.py": ["se"],
        "mechanisms/cbam.py": ["cbam"],
        "mechanisms/_gate.py": everything[1:],
        "mechanisms/cosine.py": ["multihead"],  # one of its scores
        "ops/squeezing.py": everything,
        "training/loop.py": everything,
        "comparison/trial.py": everything,
        "cli/commands.py": [],
        "comparison/reporting.py": [],
        "page/tables.py": [],
        "errors.py": [],
    }
    made = subprocess.run(
        [sys.executable, "-c", EDITS, json.dumps(list(expected))],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(made.stdout or "{}") == expected, made.stderr


def test_on_text_every_attention_counts(tmp_path, monkeypatch):
    """A network's own attention is named nowhere in an arm."""
    seen = []
    monkeypatch.setattr(sources, "_read", lambda file: seen.append(file.name) or ("", ()))
    for mechanism in (None, "local_p", "dot"):
        seen.clear()
        code_fingerprint(mechanism, "gru(dim=32)")
        assert {"multihead.py", "additive.py", "translator.py"} < set(seen)
    seen.clear()
    code_fingerprint("se", "small")
    assert "multihead.py" not in seen


def test_the_file_of_a_host_and_what_it_imports_beside_itself_count(tmp_path):
    (tmp_path / "blocks.py").write_text("import deep\n")
    (tmp_path / "deep.py").write_text("")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "inner.py").write_text("")
    (tmp_path / "other.py").write_text("")
    net = tmp_path / "net.py"
    net.write_text("import torch\nfrom blocks import Block\nimport parts.inner\n")
    seen = {
        net: True,
        "blocks.py": True,
        "deep.py": True,
        "parts/inner.py": True,
        "other.py": False,
    }
    host = f"{net}:build"
    before = code_fingerprint(None, host)
    assert before == code_fingerprint(None, host) != code_fingerprint(None, "small")
    for name, counts in seen.items():
        with (tmp_path / name).open("a") as file:
            file.write("# changed\n")
        after = code_fingerprint(None, host)
        assert (after != before) is counts, name
        before = after


def test_imports_inside_a_package_are_followed(tmp_path):
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "one.py").write_text(
        "from . import two\nfrom .three import x\nfrom ..four import y"
    )
    for name in ("two", "three", "four"):
        (tmp_path / f"{name}.py").write_text("from .one import z\n")
    found = {path.name for path in imported_beside(tmp_path / "one.py")}
    assert found == {"one.py", "two.py", "three.py"}


def test_absolute_imports_inside_a_package_are_followed(tmp_path, monkeypatch):
    """``from pkg.blocks import WIDTH`` in ``pkg/net.py``, as users write it."""
    deep = tmp_path / "pkg" / "deep"
    deep.mkdir(parents=True)
    for folder in (deep.parent, deep):
        (folder / "__init__.py").write_text("")
    (deep / "net.py").write_text("from pkg.blocks import W\nfrom pkg.deep import parts\n")
    (deep / "parts.py").write_text("from ..above import x\nimport torch.nn\n")
    for name in ("blocks", "above", "other"):
        (deep.parent / f"{name}.py").write_text("")
    monkeypatch.chdir(tmp_path)
    names = ["net.py", "parts.py", "blocks.py", "above.py"]
    assert {p.name for p in imported_beside(deep / "net.py")} >= set(names)
    before = code_fingerprint(None, "pkg.deep.net:build")
    for name, counts in {"blocks": True, "above": True, "other": False}.items():
        (deep.parent / f"{name}.py").write_text("W = 8")
        after = code_fingerprint(None, "pkg.deep.net:build")
        assert (after != before) is counts, name
        before = after


def test_what_a_mechanism_of_ones_own_takes_from_this_package_counts(tmp_path):
    mine = tmp_path / "my.py"
    mine.write_text("from regard.mechanisms._gate import Sigmoid\nimport regard\n")
    names = {path.name for path in imported_beside(mine)}
    assert "_gate.py" in names
    assert "parser.py" not in names


def test_a_file_that_cannot_be_parsed_counts_alone(tmp_path):
    (tmp_path / "net.py").write_text("import other\n(")
    (tmp_path / "other.py").write_text("")
    assert imported_beside(tmp_path / "net.py") == [tmp_path / "net.py"]


@pytest.mark.parametrize("form", ["{}/net.py:build", "net:build", "pack.deep.net:build"])
def test_nothing_is_run(tmp_path, monkeypatch, form):
    (tmp_path / "pack" / "deep").mkdir(parents=True)
    for path in ("net.py", "pack/__init__.py", "pack/deep/__init__.py", "pack/deep/net.py"):
        (tmp_path / path).write_text(BOOBY_TRAPPED)
    monkeypatch.chdir(tmp_path)
    name = form.format(tmp_path)
    before = code_fingerprint(None, name), code_fingerprint(name, "small")
    for path in tmp_path.rglob("net.py"):
        path.write_text(f"{BOOBY_TRAPPED}#")
    assert code_fingerprint(None, name) != before[0]
    assert code_fingerprint(name, "small") != before[1]
    assert not list(tmp_path.rglob("*.ran"))


@pytest.mark.parametrize("name", ["{}/gone.py:build", "gone_module:build", "json.gone:build"])
def test_a_file_that_is_gone_is_named(tmp_path, name):
    name = name.format(tmp_path)
    for given in ((None, name), (name, "small")):
        with pytest.raises(RegardError) as error:
            code_fingerprint(*given)
        assert name.rpartition(":")[0] in str(error.value)


def test_libraries_count_where_they_compute():
    assert set(library_versions("small")) == {"torch", "numba"}
    assert set(library_versions("timm:resnet18")) == {"torch", "numba", "timm"}
    assert set(library_versions("torchvision:resnet18")) == {"torch", "numba", "torchvision"}
    assert all(library_versions("timm:resnet18").values())
    assert code_fingerprint(None, "timm:hf-hub:x") == code_fingerprint(None, "small")

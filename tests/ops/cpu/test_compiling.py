import os
import subprocess
import sys

from regard.ops.cpu import compiling
from regard.ops.cpu.compiling import kept_in

CODE = """
import logging, sys
logging.basicConfig(format="%(message)s")
from regard.ops.cpu.kernels.multiplying import multiply
kernel = multiply[True, False, False]
print(kernel.entry().code.cache_hits)
"""


def process(folder, code=CODE, **environment):
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder), **environment},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended


def test_compiled_code_is_kept_for_the_next_process_and_said_once(tmp_path):
    first, second = process(tmp_path), process(tmp_path)
    assert (first.stdout.strip(), second.stdout.strip()) == ("0", "1")
    assert first.stderr.count("regard compiles its CPU kernels at their first use") == 1
    assert str(tmp_path) in first.stderr
    assert "compiles" not in second.stderr


def test_where_nothing_can_be_kept_it_is_compiled_all_the_same(tmp_path):
    (tmp_path / "file").write_text("")
    ended = process(tmp_path / "file" / "folder")
    assert ended.stdout.strip() == "0"
    assert "they cannot be kept" in ended.stderr


def test_the_folder_is_named_by_the_sources(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    kept_in.cache_clear()
    before = kept_in()
    assert before.parent == tmp_path / "regard"
    copy = tmp_path / "cpu"
    copy.mkdir()
    (copy / "changed.py").write_text("x = 1\n")
    monkeypatch.setattr(compiling, "__file__", str(copy / "compiling.py"))
    kept_in.cache_clear()
    assert kept_in() != before
    monkeypatch.undo()
    kept_in.cache_clear()


def test_where_numba_cannot_compile_the_plain_form_is_taken_with_one_warning(tmp_path):
    code = """
import sys, warnings
sys.modules["numba"] = None
import torch
from regard.ops import squeeze
x = torch.randn(8, 64, 40, 40)
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    for _ in range(3):
        (top,) = squeeze(x, "space", ("max",))
assert torch.equal(top, x.amax((2, 3), keepdim=True))
print(len(seen), seen[0].category.__name__, seen[0].message)
"""
    ended = process(tmp_path, code)
    assert ended.stdout.startswith("1 RuntimeWarning regard's CPU kernels cannot be compiled here")
    assert "plain forms" in ended.stdout


def test_the_plain_form_alone_never_imports_numba(tmp_path):
    code = """
import sys, torch
from regard.ops import squeeze
squeeze(torch.randn(8, 64, 40, 40), "space", ("max",))
print("numba" in sys.modules)
"""
    assert process(tmp_path, code, REGARD_IMPL="torch").stdout.strip() == "False"
    assert process(tmp_path, code, REGARD_IMPL="auto").stdout.strip() == "True"

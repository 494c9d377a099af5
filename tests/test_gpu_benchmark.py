"""benchmarks/gpu.py on the CPU, small: all of it that wants no GPU."""

import importlib.util
from pathlib import Path

import pytest
import torch

PATH = Path(__file__).parents[1] / "benchmarks" / "gpu.py"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def gpu():
    spec = importlib.util.spec_from_file_location("benchmark_on_gpu", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_and_exits_with_1(gpu, capsys, tmp_path):
    assert gpu.main(["--json", str(tmp_path / "gpu.json")]) == 1
    assert "needs a CUDA device" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_checks_are_fine(gpu):
    torch.manual_seed(0)
    rows = gpu.checks(CPU, shape=(2, 40, 16))
    assert {r["fine"] for r in rows} == {"yes"}
    assert len(rows) == 2 * 7


def test_additive_is_timed_in_all_types_both_ways(gpu):
    rows = gpu.additive(CPU, 1, [(1, 8, 8)], ("ours", "eager"))
    assert [(r["type"], r["what"]) for r in rows] == [
        (t, w) for t in ("fp32", "bf16") for w in ("forward", "both")
    ]
    assert all(r["ours ms"] > 0 and r["/eager"] > 0 for r in rows)
    table = gpu.markdown(rows).splitlines()
    assert table[0].startswith("| B, T, d | type | what | ours ms |")
    assert len(table) == 2 + len(rows)


def test_memory_of_the_plain_form_is_reckoned(gpu):
    rows = gpu.memory(CPU, 1, length=16, dim=8)
    assert [r["plain keeps MB"] for r in rows] == [round(16 * 16 * 8 * n / 1e6, 1) for n in (4, 2)]


def test_gates_are_timed_against_timm_and_a_copy(gpu):
    pytest.importorskip("timm")
    rows = gpu.modules(CPU, 1, [(1, 32, 4, 4)], compiled=False)
    assert len(rows) == 2 * 2 * 3 * 2
    assert all({"/timm", "/copy"} <= set(r) for r in rows)


def test_medians_and_ratios(gpu):
    times = {"ours": torch.tensor([1.0, 2.0, 9.0]), "timm": torch.tensor([2.0, 8.0, 9.0])}
    assert gpu.row({"a": 1}, times) == {"a": 1, "ours ms": 2.0, "timm ms": 8.0, "/timm": 0.5}

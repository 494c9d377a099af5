"""``regard bench`` from the command line."""

import json

import pytest

from regard import bench
from regard.bench import benching
from regard.cli import main

QUICK = ["--modules", "--shape", "2x16x6x6", "--seconds", "1e-6", "--without", "compiled,timm"]


@pytest.fixture
def run(capsys):
    def command(*arguments):
        code = main(["bench", *arguments, "--device", "cpu"])
        out, err = capsys.readouterr()
        return code, out, err

    return command


def test_the_table_goes_to_standard_output_and_the_steps_to_standard_error(run):
    code, out, err = run("se", "eca", *QUICK)
    assert code == 0
    assert "/ plain" in out
    assert "checking" not in out
    assert "checking se" in err
    assert "12 of 12: eca" in err


def test_json_and_files(run, tmp_path):
    files = [tmp_path / f"bench.{suffix}" for suffix in ("csv", "json", "html")]
    asked = [word for file in files for word in ("--out", str(file))]
    code, out, _ = run("se(reduction=8)", *QUICK, "--json", *asked)
    assert code == 0
    facts = json.loads(out)
    assert facts["rows"][0]["mechanism"] == "se(reduction=8)"
    assert json.loads(files[1].read_text()) == facts
    assert all(file.stat().st_size for file in files)


def test_red_is_silent_about_times_says_what_failed_and_exits_with_1(
    run, wrong_kernel, monkeypatch, tmp_path
):
    monkeypatch.setattr(benching, "elapsed_ms", None)  # calling it would fail
    code, out, _ = run("se", *QUICK, "--out", str(tmp_path / "red.json"))
    assert code == 1
    assert "ours is wrong: the output is off" in out
    assert "ours, ms" not in out
    facts = json.loads((tmp_path / "red.json").read_text())
    assert (facts["passed"], facts["rows"]) == (False, [])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cbma"], "nearest: cbam"),
        (["se@layer1"], "without @"),
        (["none"], "names no mechanism"),
        (["se", "--shape", "8x256"], "BxNxD"),
        (["se", "--dtype", "float31"], "nearest: float32"),
        (["se", "--without", "ours"], "no contender"),
        (["se", "--networks", "--on", "smal"], "no network"),
        (["se", *QUICK, "--out", "bench.txt"], "saved as .csv"),
        (["se", *QUICK, "--out", "no/such/folder/bench.csv"], "cannot be written"),
    ],
)
def test_what_does_not_work_is_said(run, arguments, said):
    code, out, err = run(*arguments)
    assert code == 1
    assert said in err
    assert out == ""
    assert "Traceback" not in err


def test_files_that_cannot_be_written_are_refused_before_anything_runs(run):
    _, _, err = run("se", "--out", "bench.txt")
    assert "checking" not in err


def test_what_it_is_given_is_what_is_measured(run, monkeypatch, made):
    asked = []
    monkeypatch.setattr(bench, "bench", lambda scope, watch: asked.append(scope) or made)
    run(
        "se", "eca", "--growth", "--on", "timm:resnet18", "--batch", "3", "--size", "48",
        "--threads", "1", "--dtype", "bfloat16", "--without", "timm, copy",
    )  # fmt: skip
    [scope] = asked
    assert (scope.mechanisms, scope.parts, scope.on) == ("se,eca", ("growth",), "timm:resnet18")
    assert (scope.batch, scope.size, scope.threads) == (3, 48, 1)
    assert (scope.dtype, scope.without) == ("bfloat16", ("timm", "copy"))
    run()
    assert asked[1] == bench.Scope(device="cpu")

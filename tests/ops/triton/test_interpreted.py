"""Runs the tests of this folder in Triton's interpreter, which must be chosen before the import."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")
HERE = Path(__file__).parent


def run(marker):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist",
         "-m", marker, str(HERE / "test_additive.py")],
        env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="it runs already")
@pytest.mark.parametrize(
    "marker", ["not slow and not gpu", pytest.param("slow and not gpu", marks=pytest.mark.slow)]
)
def test_kernels_in_the_interpreter(marker):
    found = run(marker)
    assert found.returncode == 0, found.stdout[-4000:] + found.stderr[-2000:]
    assert "passed" in found.stdout
    assert "skipped" not in found.stdout

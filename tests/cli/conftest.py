import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regard.cli import main
from regard.comparison import executors, setting
from regard.comparison.executors import Event
from regard.comparison.worker import attempt
from regard.cost import measure


class InProcess:
    """Stands for the local executor: one trial after another, here."""

    def __init__(self, workers=None, device="cpu"):
        assert device == "cpu"

    def run(self, trials):
        for trial in trials:
            yield Event("started", trial)
            error = attempt(trial)
            yield Event("finished", trial) if error is None else Event("failed", trial, error)


@pytest.fixture(scope="session", autouse=True)
def quickly():
    """Trials run here, on the CPU, and costs are timed once instead of twenty times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executors, "LocalExecutor", InProcess)
        patch.setattr(setting, "measure", lambda *a, **k: measure(*a, **{**k, "repeats": 1}))
        patch.setenv("COLUMNS", "120")
        yield


@pytest.fixture
def regard(capsys):
    """Run the command; its exit code, standard output and standard error."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture(scope="session")
def stripes(tmp_path_factory, write_stripes) -> Path:
    """24 train and 8 test images of 8×8 pixels in two classes."""
    return write_stripes(tmp_path_factory.mktemp("data") / "stripes")


@pytest.fixture
def quick(stripes) -> list[str]:
    """Arguments of a comparison that takes a second."""
    return [
        "compare", str(stripes), "--with", "se", "--controls", "none", "--seeds", "2",
        "--epochs", "1", "--batch", "8", "--device", "cpu",
    ]  # fmt: skip


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory, stripes, quickly) -> Path:
    """A finished comparison. Copy it to change it."""
    out = tmp_path_factory.mktemp("finished") / "grid"
    asked = ["--with", "se,stn", "--controls", "none", "--seeds", "2", "--epochs", "1"]
    assert main(["compare", str(stripes), *asked, "--batch", "8", "--out", str(out)]) == 0
    return out


@pytest.fixture
def finished(tmp_path, finished_once) -> Path:
    """A copy of the finished comparison."""
    return shutil.copytree(finished_once, tmp_path / "grid")


@pytest.fixture
def album(tmp_path) -> Path:
    """Class folders: eight small images of cats, eight of dogs."""
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "album" / name).mkdir(parents=True)
        for number in range(8):
            pixels = generator.integers(0, 255, (12, 12, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "album" / name / f"{number}.jpg")
    return tmp_path / "album"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a few kilobytes, where one can be mounted."""
    mounted = []

    def mount(size: str, *options: str) -> Path:
        folder = tmp_path / "disk"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", ",".join((f"size={size}", *options)), "tmpfs"]
        try:
            subprocess.run([*command, folder], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no small disk can be mounted here: {error}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)

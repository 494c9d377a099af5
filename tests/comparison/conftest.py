import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from regard.comparison import Plan, compare, setting
from regard.comparison.executors import Event
from regard.comparison.worker import attempt
from regard.cost.timing import Quartiles
from regard.data.text.cues import cues
from regard.data.text.reviews import reviews
from regard.data.text.toy import toy
from regard.tasks import Reading
from regard.training import Budget

BUDGET = Budget(epochs=2, batch=8)


def counted(model, example, **_) -> SimpleNamespace:
    """What `measure` returns, without running anything."""
    one = Quartiles(1.0, 1.0, 1.0)
    parameters = sum(p.numel() for p in model.parameters())
    return SimpleNamespace(
        parameters=parameters, macs_per_sample=float(parameters), latency_ms=one, train_step_ms=one,
        saved_bytes=0, batch=len(example if torch.is_tensor(example) else example[0]),
        dtype="float32", device="cpu",
    )  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def measured_quickly():
    """Networks are built and counted, but not timed: only tests of the setting need the times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setting, "measure", counted)
        patch.setattr(setting, "_forward_ms", lambda *_: 1.0)
        yield


class InProcess:
    """An executor without processes: one trial after another, here."""

    def __init__(self):
        self.ran = []

    def run(self, trials):
        for trial in trials:
            yield Event("started", trial)
            self.ran.append(trial)
            error = attempt(trial)
            yield Event("finished", trial) if error is None else Event("failed", trial, error)


@pytest.fixture
def in_process():
    return InProcess()


@pytest.fixture(scope="session")
def data(tmp_path_factory, write_stripes) -> Path:
    """24 train and 8 test images of 8×8 pixels in two classes."""
    return write_stripes(tmp_path_factory.mktemp("data") / "stripes")


def write_tsv(path: Path, rows) -> None:
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="session")
def text_data(tmp_path_factory) -> dict[str, Path]:
    """Kind of a task → a folder with 60 items to train on and 16 to test."""
    folder = tmp_path_factory.mktemp("texts")
    found = {kind: folder / kind for kind in ("translation", "tagging", "classification")}
    for path in found.values():
        path.mkdir()
    for role, pairs in toy(60, 16).splits().items():
        write_tsv(found["translation"] / f"{role}.tsv", pairs.texts())
    for role, part in cues(60, 16).splits().items():
        sentences = [part.sentence(i) for i in range(len(part))]
        text = "".join(conllu(words, tags) for words, tags in sentences)
        (found["tagging"] / f"{role}.conllu").write_text(text, encoding="utf-8")
    for role, part in reviews(60, 16).splits().items():
        labels = (f"class {number}" for number in part.classes)
        rows = [("text", "label"), *zip(part.text, labels, strict=True)]
        csv = "".join(f"{text},{label}\n" for text, label in rows)
        (found["classification"] / f"{role}.csv").write_text(csv, encoding="utf-8")
    return found


def conllu(words, tags) -> str:
    """A sentence, its tags as letters."""
    rows = [
        "\t".join([str(i), word, "_", f"T{tag}", *"______"])
        for i, (word, tag) in enumerate(zip(words, tags, strict=True), start=1)
    ]
    return "\n".join([*rows, "", ""])


TEXT_ARMS = {
    "translation": ("gru", "none,dot,transformer"),
    "tagging": ("convolution", "none,multihead,bigru"),
    "classification": ("bag", "none,convolution,bigru(pooling=attention)"),
}


@pytest.fixture
def text_plan(text_data):
    """A plan for a kind of text, 16 wide; arguments replace its own."""

    def make(kind: str, **given):
        host, mechanisms = TEXT_ARMS[kind]
        facts = {"host": host, "mechanisms": mechanisms, "controls": "none", "seeds": (0, 1)}
        facts |= {"budget": Budget(epochs=2, batch=16), "dim": 16}
        if kind == "translation":
            facts["reading"] = Reading(measure="exact")
        return Plan(**{"data": str(text_data[kind]), **facts, **given})

    return make


@pytest.fixture
def plan(data):
    """A plan on the small data; arguments replace its own."""

    def make(**given):
        facts = {"mechanisms": "se", "controls": "none", "seeds": (0, 1), "budget": BUDGET}
        return Plan(**{"data": str(data), **facts, **given})

    return make


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory, data) -> Path:
    """A comparison with every kind of mechanism and control, finished. Copy it to change it."""
    folder = tmp_path_factory.mktemp("finished") / "grid"
    plan = Plan(
        data=str(data),
        mechanisms="se,cbam,spatial_transformer,multihead@layer2.*",
        controls="widened,longer,placebo",
        seeds=(0, 1),
        budget=BUDGET,
    )
    compare(plan, out=folder, executor=InProcess())
    return folder


@pytest.fixture
def finished(tmp_path, finished_once) -> Path:
    """A copy of the finished comparison."""
    return shutil.copytree(finished_once, tmp_path / "grid")


@pytest.fixture
def host_file(tmp_path):
    """Write a factory into a file; its name as a host."""

    def write(body: str, name: str = "net.py") -> str:
        path = tmp_path / name
        path.write_text(f"import torch\nfrom torch import nn\n\n{body}", encoding="utf-8")
        return f"{path}:build"

    return write


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

import json
import os
import subprocess
import sys
import time

import pytest

from regard.comparison.grid import epochs_done, prepare
from regard.comparison.spec import FAILURE, RESULT, SPEC
from regard.comparison.trial import run_trial
from regard.comparison.worker import attempt
from regard.training import Budget

TALKING = """
print("chatter on import")
import os, sys
os.write(1, b"chatter from C\\n")

def build(num_classes, in_channels):
    print("chatter")
    print("more of it", file=sys.stderr)
    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(4, num_classes))
"""


@pytest.fixture
def trials(tmp_path, plan):
    """Folders of the trials of a plan, by arm and seed."""

    def make(**given):
        return prepare(plan(**given), tmp_path / "grid").trials

    return make


def test_a_finished_trial_has_no_error(trials):
    folder = trials()["se", 0]
    (folder / FAILURE).write_text("of the last time")
    assert attempt(folder) is None
    assert (folder / RESULT).exists()
    assert not (folder / FAILURE).exists()


def test_what_the_user_can_mend_is_said_as_it_is(trials):
    folder = trials(budget=Budget(epochs=1, batch=8, rate=1e30))["se", 0]
    said = attempt(folder)
    assert "a learning rate below 1e+30 may work" in said
    assert (folder / FAILURE).read_text() == f"{said}\n"


FAILING = {
    "raise OSError(28, 'No space left on device', 'weights')": "OSError: [Errno 28] No space left",
    "raise ValueError('one\\ntwo')": "ValueError: one (see",
    "raise KeyError": "KeyError (see",
    "raise RuntimeError('x' * 5000)": "xxx… (see",
    "import sys; sys.exit('no')": "SystemExit: no (see",
    "raise MemoryError('all of it')": "MemoryError: all of it (see",
}
TRAINED_ONLY = """
class Net(nn.Sequential):
    def forward(self, x):
        if self.training:
            {}
        return super().forward(x)

def build(num_classes, in_channels):
    return Net(nn.Conv2d(in_channels, 4, 8), nn.Flatten(), nn.Linear(4, num_classes))
"""


@pytest.mark.parametrize("line", FAILING)
def test_what_a_network_raises_is_one_line_and_the_rest_in_a_file(trials, host_file, line):
    made = trials(host=host_file(TRAINED_ONLY.format(line)), mechanisms="se@0")
    said = attempt(made["none", 0])
    assert FAILING[line] in said
    assert len(said.splitlines()) == 1
    assert len(said) < 700
    text = (made["none", 0] / FAILURE).read_text()
    assert "Traceback" in text
    assert str(made["none", 0] / FAILURE) in said


def run_worker(folders, **options):
    command = [sys.executable, "-m", "regard.comparison.worker", *map(str, folders)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_a_worker_gives_the_same_bits_and_its_answers_alone(trials, host_file):
    made = trials(host=host_file(TALKING), mechanisms="se@0", seeds=(0, 1, 2))
    here, there, bad = (made["se@0", seed] for seed in (0, 1, 2))
    (there / SPEC).write_bytes((here / SPEC).read_bytes())
    (bad / SPEC).write_text("{}")
    run_trial(here)
    found = run_worker([there, bad], env={**os.environ, "OMP_NUM_THREADS": "3"})
    answers = [json.loads(line) for line in found.stdout.splitlines()]
    assert found.returncode == 1
    assert [answer["trial"] for answer in answers] == [str(there), str(bad)]
    assert answers[0]["error"] is None
    assert "is no specification of a trial" in answers[1]["error"]
    assert "chatter from C" in found.stderr
    assert "more of it" in found.stderr
    assert (there / RESULT).read_bytes() == (here / RESULT).read_bytes()


def test_an_orphan_stops_at_once_and_its_trial_goes_on(trials):
    folder = trials(budget=Budget(epochs=100_000, batch=8))["none", 0]
    worker = subprocess.Popen(
        [sys.executable, "-m", "regard.comparison.worker"], stdin=subprocess.PIPE, text=True
    )
    with worker:
        worker.stdin.write(f"{json.dumps(str(folder))}\n")
        worker.stdin.flush()
        for _ in range(600):
            if epochs_done(folder):
                break
            time.sleep(0.1)
        assert epochs_done(folder) > 0
        worker.stdin.close()
        assert worker.wait(timeout=10) == 1
    assert not (folder / RESULT).exists()
    assert (folder / "checkpoint.safetensors").exists()

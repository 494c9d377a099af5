"""What is wrong is said in one to three lines on standard error, with a code; never a traceback."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regard.comparison.reading import names_of, read_grid
from regard.comparison.spec import FAILURE, METRICS, RESULT

TOO_FEW = """
from torch import nn

def build(num_classes, in_channels):
    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(4, {outputs}))
"""

SHOUTING = """
from torch import nn

class Net(nn.Sequential):
    def forward(self, x):
        raise RuntimeError("boom" + 9 * "\\nmore")

def build():
    return Net(nn.Conv2d(3, 5, 1))
"""


def check(answer, *said, code=1):
    """One to three lines that say all this, and nothing on standard output."""
    found, out, err = answer
    assert found == code, err
    assert out == ""
    lines = err.splitlines()
    assert 1 <= len(lines) <= 3, err
    assert "Traceback" not in err
    assert lines[0].startswith("regard ")
    for words in said:
        assert words in err, f"{words!r} is not in: {err}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--with", "cmba"], ["no mechanism is called 'cmba'", "nearest: cbam"]),
        (["--with", "none"], ["names no mechanism", "none,se,cbam"]),
        (["--with", ""], ["names no mechanism"]),
        (["--with", "se@layre3.*"], ["at='layre3.*' matches no module", "nearest: layer3"]),
        (["--with", "se(redcution=4)"], ["no option 'redcution'", "nearest: reduction"]),
        (["--with", "se(reduction=0)"], ["se(reduction=0)", "reduction"]),
        (["--with", "se(reduction=many)"], ["se(reduction=many)", "reduction"]),
        (["--with", "cbam(kernel_size=4)"], ["kernel_size is 4", "odd"]),
        (["--controls", "wider"], ["no control is called 'wider'", "nearest: widened"]),
        (["--on", "smal"], ["no network is called 'smal'", "small, timm:NAME"]),
        (["--on", "timm:resnet"], ["timm has no model 'resnet'", "nearest: resnet"]),
        (["--on", "torchvision:resnet"], ["torchvision has no classifier 'resnet'", "nearest"]),
        (["--on", "nowhere.py:build"], ["nowhere.py"]),
        (["--on", "json:nothing"], ["json has no function 'nothing'"]),
        (["--pretrained"], ["'small' has no published weights"]),
        (["--rate", "0"], ["rate is 0.0", "above 0"]),
        (["--rate", "nan"], ["rate is nan"]),
        (["--decay", "-1"], ["decay is -1.0"]),
        (["--delta", "0"], ["delta is 0 points", "between 0 and 100"]),
        (["--validation", "1"], ["validation is 1.0", "below 1"]),
        (["--validation", "-0.5"], ["validation is -0.5"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_an_option_that_cannot_be_is_named(regard, quick, tmp_path, change, said):
    pytest.importorskip("timm")
    check(regard(*quick, *change, "--out", tmp_path / "out"), *said)
    assert not list(tmp_path.rglob(RESULT))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "cmba"], ["no mechanism is called 'cmba'"]),
        (["show", "nowhere.py"], ["nowhere.py cannot be imported"]),
        (["cite", "se", "cmba"], ["no mechanism is called 'cmba'", "nearest: cbam"]),
        (["sites", "small", "--at", "layre*"], ["at='layre*' matches no module", "nearest: layer"]),
        (["sites", "nowhere:build"], ["cannot import nowhere"]),
        (["measure", "small", "--with", "se,eca"], ["--with se,eca", "one mechanism"]),
        (["measure", "small", "--with", "cmba"], ["no mechanism is called 'cmba'"]),
        (["check", "cmba"], ["no mechanism is called 'cmba'"]),
        (["check", "se", "--rules", "beauty"], ["no rule is called 'beauty'"]),
        (["report", "/nowhere"], ["/nowhere is no folder of `regard compare`", "No such file"]),
        (["list", "--takes", "maap"], ["no mechanism has the input 'maap'", "nearest: map"]),
    ],
    ids=" ".join,
)
def test_other_commands_too(regard, arguments, said):
    check(regard(*arguments), *said)


def test_the_remedy_for_a_network_without_a_usual_place_works(regard, tmp_path):
    text = TOO_FEW.format(outputs="num_classes").replace("nn.Sequential", "Net")
    net = "class Net(nn.Module):\n    def __init__(self, *features):\n        super().__init__()\n"
    net += "        self.features = nn.Sequential(*features[:2])\n"
    net += "        self.rest = nn.Sequential(*features[2:])\n\n"
    net += "    def forward(self, x):\n        return self.rest(self.features(x))\n"
    (tmp_path / "net.py").write_text(text + net)
    answer = regard("measure", f"{tmp_path / 'net.py'}:build", "--with", "se")
    check(answer, "no usual place", "--with 'none,se@features.*'")
    asked = re.search(r"--with '(.*?)'", answer[2])[1]
    code, _, err = regard("measure", f"{tmp_path / 'net.py'}:build", "--with", asked)
    assert code == 0, err


def test_a_data_folder_that_is_not_there(regard, tmp_path):
    check(regard("compare", tmp_path / "nowhere"), "no folder", "nowhere", "what works: the word")


def test_a_misspelt_digits(regard, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    check(regard("compare", "digit"), "no folder digit; nearest: digits")
    check(regard("compare", "taging"), "no folder taging; nearest: tagging")


def test_an_empty_folder(regard, tmp_path):
    check(regard("compare", tmp_path), str(tmp_path), "found nothing", "what works")


def test_a_file_as_data(regard, tmp_path):
    (tmp_path / "data.png").write_text("1,2")
    check(regard("compare", tmp_path / "data.png"), "data.png is a file", "what works")
    (tmp_path / "data.csv").write_text("1,2")
    check(regard("compare", tmp_path / "data.csv"), "data.csv has no column 'text', 'label'")
    (tmp_path / "lines.txt").write_text("one\ntwo\n")
    check(regard("compare", tmp_path / "lines.txt"), "does not tell the task; say --task")


def test_an_empty_class_folder(regard, album):
    (album / "bird").mkdir()
    check(regard("compare", album), "bird")


def test_a_single_class(regard, album):
    shutil.rmtree(album / "dog")
    check(regard("compare", album), "only one class, 'cat'; two or more are needed")


def truncate(album: Path) -> Path:
    path = album / "cat" / "3.jpg"
    path.write_bytes(path.read_bytes()[:300])
    return path


def test_one_truncated_image_among_many(regard, album):
    path = truncate(album)
    check(regard("compare", album), str(path))


def test_a_text_file_named_png(regard, album):
    (album / "dog" / "notes.png").write_text("these are notes, not an image")
    check(regard("compare", album), str(album / "dog" / "notes.png"))


def test_bad_images_can_be_left_out(regard, album, tmp_path):
    truncate(album)
    (album / "dog" / "notes.png").write_text("these are notes, not an image")
    asked = ["--with", "se", "--controls", "none", "--seeds", "1", "--epochs", "1", "--batch", "8"]
    out = tmp_path / "out"
    code, _, err = regard("compare", album, *asked, "--skip-bad", "--out", out)
    assert code == 0, err
    assert "2 without an image, skipped" in read_grid(out)["data"]["text"]


def test_images_of_different_sizes_are_made_one_and_that_is_said(regard, album, tmp_path):
    Image.fromarray(np.zeros((31, 17, 3), np.uint8)).save(album / "cat" / "odd.png")
    asked = ["--with", "se", "--controls", "none", "--seeds", "1", "--epochs", "1", "--batch", "8"]
    code, _, err = regard("compare", album, *asked, "--out", tmp_path / "out")
    assert code == 0, err
    assert "resized to 12×12 from 2 sizes" in read_grid(tmp_path / "out")["data"]["text"]


@pytest.mark.parametrize("change", ["magic", "short", "long", "count", "gone"])
def test_damaged_idx_files_are_named(regard, stripes, tmp_path, change):
    folder = shutil.copytree(stripes, tmp_path / "idx")
    images, labels = folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte"
    data = images.read_bytes()
    said = [str(images)]
    if change == "magic":
        images.write_bytes(b"\x00\x00\x08\x01" + data[4:])
        said += ["0x00000803 (images)", "it begins with 0x00000801"]
    elif change == "short":
        images.write_bytes(data[:-1])
        said += ["24 × 8 × 8 = 1,536 bytes", "the file holds fewer"]
    elif change == "long":
        images.write_bytes(data + b"\0")
        said += ["the file holds more"]
    elif change == "count":
        labels.write_bytes(b"\x00\x00\x08\x01\x00\x00\x00\x02\x00\x01")
        said += ["24 images", "2 labels"]
    else:
        labels.unlink()
        said += ["has no labels-idx1-ubyte file beside it"]
    check(regard("compare", folder), *said)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (TOO_FEW.format(outputs="num_classes + 3"), ["fit the 2 classes", "[2, 5]", "[2, 2]"]),
        (TOO_FEW.format(outputs="1"), ["does not fit the 2 classes", "[2, 1]"]),
        ("def build(depth): pass", ["the factory wants depth"]),
        ("def build(): return 3", ["returned int", "torch.nn.Module"]),
        ("def build(): raise OSError('no weights')", ["OSError: no weights"]),
        ("def other(): pass", ["no function 'build'", "other"]),
        ("def build(:", ["SyntaxError"]),
        ("import nowhere", ["No module named 'nowhere'"]),
        ("raise SystemExit(3)", ["cannot import", "net.py", "the code called sys.exit(3)"]),
        ("import sys\ndef build(): sys.exit(3)", ["net.py:build", "the code called sys.exit(3)"]),
        ("def build(): raise OSError('boom\\nmore\\n\\nand\\nlines')", ["OSError: boom more and"]),
    ],
)
def test_a_network_that_does_not_work_is_named(regard, quick, tmp_path, body, said):
    (tmp_path / "net.py").write_text(body)
    host = f"{tmp_path / 'net.py'}:build"
    answer = regard(*quick, "--on", host, "--with", "se@0", "--out", tmp_path / "out")
    check(answer, *said)


@pytest.mark.parametrize("command", ["sites", "measure"])
def test_a_network_that_cannot_be_run_at_all_is_told(regard, tmp_path, command):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\ndef build():\n return nn.Sequential(nn.Linear(7, 2))"
    )
    answer = regard(command, f"{tmp_path / 'net.py'}:build")
    check(answer, "Sequential cannot be run on the example", "cannot be multiplied")


@pytest.mark.parametrize("command", ["sites", "measure"])
def test_a_long_message_of_a_network_is_cut_to_three_lines(regard, tmp_path, command):
    (tmp_path / "net.py").write_text(SHOUTING)
    check(regard(command, f"{tmp_path / 'net.py'}:build"), "RuntimeError: boom", "more")


def test_a_network_that_fails_while_it_trains_names_arm_and_seed(regard, quick, tmp_path):
    (tmp_path / "net.py").write_text(
        TOO_FEW.format(outputs="num_classes")
        + "\n\nclass Net(nn.Sequential):\n"
        + "    def forward(self, x):\n"
        + "        import torch\n"
        + "        if self.training and torch.is_grad_enabled() and len(x) == 8:\n"
        + "            raise ValueError('not\\nme')\n"
        + "        return super().forward(x)\n\nplain = build\n\n"
        + "def build(num_classes, in_channels):\n"
        + "    return Net(*plain(num_classes, in_channels))\n"
    )
    host = f"{tmp_path / 'net.py'}:build"
    asked = [*quick, "--on", host, "--with", "se@0", "--out", tmp_path / "out"]
    code, out, err = regard(*asked)
    assert (code, out) == (1, "")
    assert "Traceback" not in err
    last = err[err.index("regard compare: ") :].splitlines()
    assert len(last) == 2
    assert "4 of 4 trials failed; none, seed 0: ValueError: not (see " in last[0]
    failure = Path(re.search(r"\(see (.*)\)", last[0])[1])
    assert failure.name == FAILURE
    assert "Traceback" in failure.read_text()


def test_no_permission_to_write(regard, quick, small_disk):
    disk = small_disk("1m", "ro")
    check(regard(*quick, "--out", disk / "out"), str(disk / "out"), "Read-only", "--out")
    check(regard(*quick, "--out", "/proc/nowhere"), "/proc/nowhere cannot be written", "--out")


def test_a_report_that_cannot_be_written(regard, finished, small_disk):
    disk = small_disk("4k")
    check(regard("report", finished, "--out", disk / "x.html"), str(disk / "x.html"), "No space")
    check(regard("report", finished, "--out", "/nowhere/x.html"), "/nowhere/x.html cannot be")


@pytest.mark.parametrize("kilobytes", [8, 40, 600])
def test_a_full_disk_names_the_file_and_loses_nothing(regard, quick, small_disk, kilobytes):
    disk = small_disk(f"{kilobytes}k")
    code, out, err = regard(*quick, "--out", disk / "out")
    assert (code, out) == (1, "")
    assert "Traceback" not in err
    last = err[err.index("regard compare: ") :].splitlines()
    assert len(last) <= 3
    assert str(disk) in err
    assert not [path for path in disk.rglob(".*") if path.is_file()]
    kept = {path: path.read_bytes() for path in disk.rglob(RESULT)}
    for data in kept.values():
        json.loads(data)
    subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
    assert regard(*quick, "--out", disk / "out")[0] == 0
    assert all(path.read_bytes() == data for path, data in kept.items())


@pytest.mark.parametrize("name", ["comparison.json", "result.json", "spec.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", '{"arms": 3}', "\x00\xff"])
def test_damaged_files_of_ours_are_named(regard, finished, name, text):
    for path in finished.rglob(name):
        path.write_text(text)
    code, out, err = regard("report", finished)
    assert (code, out) == (1, "")
    assert name in err
    assert 1 <= len(err.splitlines()) <= 3


def test_damaged_costs_are_measured_again(regard, quick, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "costs.json").write_text("{")
    assert regard(*quick, "--out", tmp_path / "out")[0] == 0


def test_damaged_images_are_written_again(regard, quick, tmp_path):
    assert regard(*quick, "--out", tmp_path / "out")[0] == 0
    (images,) = (tmp_path / "out" / "data").iterdir()
    os.truncate(images / "train_images.npy", 100)
    shutil.rmtree(tmp_path / "out" / "trials")
    code, _, err = regard(*quick, "--out", tmp_path / "out")
    assert code == 0, err


def test_a_folder_with_other_things_in_the_place_of_the_images(regard, quick, tmp_path):
    assert regard(*quick, "--out", tmp_path / "out")[0] == 0
    (images,) = (tmp_path / "out" / "data").iterdir()
    (images / "images.json").write_text("{}")
    check(regard(*quick, "--out", tmp_path / "out"), str(images), "remove this one")


def without(module, *arguments):
    """The command where a package is not installed."""
    code = f"import sys; sys.modules[{module!r}] = None; from regard.cli import main; "
    command = [sys.executable, "-c", f"{code}sys.exit(main())", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("module", "package", "asked"),
    [
        ("torch", "torch", ["list"]),
        ("PIL", "Pillow", ["compare", "nowhere"]),
        ("shtab", "shtab", ["completion", "bash"]),
    ],
)
def test_a_core_package_that_is_not_installed_is_named(module, package, asked):
    said = f"{module} is not installed: pip install {package}; regard doctor"
    check(without(module, *asked), said)


def test_the_doctor_works_without_torch():
    code, out, _ = without("torch", "doctor")
    assert code == 1
    assert "pip install torch" in out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_standard_output_is_told():
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "regard", "completion", "bash"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    said = "standard output cannot be written: No space left on device; write it to"
    check((done.returncode, "", done.stderr), said)


def is_there(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_ctrl_c_stops_the_workers_and_says_how_to_go_on(stripes, tmp_path):
    command = [
        sys.executable, "-m", "regard", "compare", stripes, "--with", "se", "--controls", "none",
        "--seeds", "1", "--epochs", "2000", "--batch", "8", "--workers", "1", "--device", "cpu",
        "--out", tmp_path / "out",
    ]  # fmt: skip
    driver = subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    with driver:
        for _ in range(1200):
            if list(tmp_path.rglob(METRICS)):
                break
            time.sleep(0.05)
        workers = children(driver.pid)
        assert len(workers) == 1
        os.killpg(driver.pid, signal.SIGINT)
        out, err = driver.communicate(timeout=30)
    assert driver.returncode == 130
    assert out == ""
    assert err == (
        "regard compare: stopped; what is finished is kept, and the same command goes on from "
        "there\n"
    )
    assert not any(map(is_there, workers))
    assert len(names_of(read_grid(tmp_path / "out"))) == 2

import sys
from textwrap import dedent

import pytest
import torch
from torch import nn

from regard.errors import RegardError
from regard.networks import build_host, default_sites, factory_file, input_channels, input_size

SOURCE = """
from torch import nn
from neighbour import hidden

def plain():
    return nn.Linear(2, hidden)

def every(num_classes, in_chans=1, img_size=0, depth=4):
    return nn.Linear(in_chans * img_size, num_classes + depth)

def other(*, classes, channels, size):
    return nn.Linear(channels * size, classes)

class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.head = nn.Linear(2, num_classes)

def late(classes):
    from neighbour import hidden
    return nn.Linear(hidden, classes)

def greedy(classes, depth, **rest):
    return nn.Linear(depth, classes)

def broken(classes):
    raise OSError("no such weights")

def shouting(classes):
    raise RuntimeError("boom" + 99 * "\\nmore")

def leaving():
    raise SystemExit(3)

def wrong():
    return 3

number = 3
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "neighbour.py").write_text("hidden = 6\n")
    path = tmp_path / "my_nets.py"
    path.write_text(dedent(SOURCE))
    yield path
    sys.modules.pop("neighbour", None)
    sys.modules.pop("my_nets", None)


def build(file, name, **options):
    return build_host(f"{file}:{name}", **{"classes": 5, "channels": 3, "size": 7, **options})


def test_factory_gets_the_keywords_it_takes(file):
    assert build(file, "plain").out_features == 6
    assert build(file, "every", channels=2).weight.shape == (9, 14)
    assert build(file, "other", channels=2).weight.shape == (5, 14)
    assert build(file, "Net").head.out_features == 5
    assert build(file, "late").weight.shape == (5, 6)


def test_factory_of_an_importable_module(file, monkeypatch):
    monkeypatch.chdir(file.parent)
    host = build_host("my_nets:other", classes=2, channels=1, size=4)
    assert host.weight.shape == (2, 4)
    assert factory_file("my_nets:other").resolve() == file.resolve()
    assert isinstance(build_host("torch.nn:Identity", classes=2, channels=3, size=4), nn.Identity)


def test_search_path_is_left_as_found(file):
    before = list(sys.path)
    build(file, "late")
    with pytest.raises(RegardError):
        build(file, "broken")
    assert sys.path == before


def test_changed_file_is_read_again(file):
    assert build(file, "plain").out_features == 6
    file.write_text(dedent(SOURCE).replace("nn.Linear(2, hidden)", "nn.Linear(2, 11)"))
    assert build(file, "plain").out_features == 11


def test_networks_of_a_file_can_be_copied_and_pickled(file, tmp_path):
    host = build(file, "Net")
    torch.save(host, tmp_path / "net.pt")
    again = torch.load(tmp_path / "net.pt", weights_only=False)
    assert torch.equal(again.head.weight, host.head.weight)


def test_channels_size_and_file(file):
    assert input_channels(f"{file}:plain") == 3
    assert input_channels(f"{file}:every") is None
    assert input_size(f"{file}:plain") is None
    assert factory_file(f"{file}:plain") == file.resolve()
    assert factory_file("small") is None
    assert factory_file("timm:resnet18") is None


def test_factory_without_channels_takes_three(file):
    with pytest.raises(RegardError, match="3 channels, not 1"):
        build(file, "plain", channels=1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("evry", r"no function 'evry'; nearest: every"),
        ("number", r"no function 'number'"),
        ("greedy", r"wants depth, which cannot be given; .*num_classes"),
        ("broken", r"failed with classes: OSError: no such weights"),
        ("shouting", r"failed with classes: RuntimeError: boom more(?! …)[^\n]* …$"),
        ("leaving", r"my_nets.py:leaving': the factory failed .*: the code called sys.exit\(3\)"),
        ("wrong", r"returned int; it must return a torch.nn.Module"),
    ],
)
def test_factories_that_do_not_work(file, name, message):
    with pytest.raises(RegardError, match=message):
        build(file, name)


def test_known_names_are_the_file_s_own_functions(file):
    with pytest.raises(RegardError) as caught:
        build(file, "zzz")
    assert "plain" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_modules_that_cannot_be_imported(tmp_path):
    (tmp_path / "bad.py").write_text("import no_such_package_here\n")
    (tmp_path / "empty.py").write_text("")
    for name, message in (
        (f"{tmp_path}/none.py:net", "there is no file"),
        (f"{tmp_path}/bad.py:net", "No module named 'no_such_package_here'"),
        (f"{tmp_path}/empty.py:net", "no functions of its own"),
        ("no.such.package:net", "cannot import no.such.package"),
    ):
        with pytest.raises(RegardError, match=message):
            build_host(name, classes=2, channels=3, size=8)


def test_sites_of_a_named_factory(tmp_path):
    path = tmp_path / "twice.py"
    path.write_text(
        "from torch import nn\n"
        "class Block(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.a, self.b = nn.Linear(2, 2), nn.Linear(2, 2)\n"
        "def net(classes):\n"
        "    return nn.Sequential(Block(), Block())\n"
    )
    assert default_sites(f"{path}:net") == ["0", "1"]

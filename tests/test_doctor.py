import json
import os
import sys
from collections import namedtuple
from importlib.metadata import version
from types import ModuleType

import pytest

from regard import doctor
from regard.doctor import Diagnosis, Finding, examine
from regard.errors import RegardError
from regard.ops.cpu import compiling

OK = Finding("torch", "ok", "2.15")
ABSENT = Finding("timm", "absent", "networks", "pip install 'regard[vision]'")
BROKEN = Finding("disk", "broken", "full", "free some space")


def test_what_is_absent_is_no_illness_and_what_is_broken_is():
    assert Diagnosis((OK, ABSENT)).well
    assert not Diagnosis((OK, BROKEN)).well


def test_the_table_has_a_remedy_under_what_needs_one():
    assert Diagnosis((OK, ABSENT)).table().splitlines() == [
        "ok      torch  2.15",
        "absent  timm   networks",
        "        → pip install 'regard[vision]'",
    ]


def test_json_holds_the_same(tmp_path, capsys):
    made = Diagnosis((OK, BROKEN))
    made.save(tmp_path / "x.json")
    facts = json.loads((tmp_path / "x.json").read_text())
    assert facts == json.loads(made.json())
    assert facts["well"] is False
    assert facts["findings"][1] == {
        "what": "disk", "state": "broken", "text": "full", "remedy": "free some space",
    }  # fmt: skip
    made.show()
    assert capsys.readouterr().out == f"{made.table()}\n"
    with pytest.raises(RegardError, match=r"nowhere.* cannot be written"):
        made.save(tmp_path / "nowhere" / "x.json")


def test_this_machine_is_examined():
    found = {finding.what: finding for finding in examine().findings}
    assert found["torch"].state == found["numpy"].state == "ok"
    assert found["python"].text.startswith(".".join(map(str, sys.version_info[:3])))
    assert {"cores", "gpu", "disk"} <= set(found)
    assert found["numba"].state == "ok"
    named = [found[name] for name in doctor._PACKAGES]
    assert all(finding.text for finding in named)
    assert found["rich"].text == version("rich")


def package(name, extra=""):
    return doctor._package(name, extra, "something")


def importing(monkeypatch, outcome):
    """Any import made by the doctor gives or raises this."""

    def give(name):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(doctor, "import_module", give)


def test_an_extra_that_is_not_installed_is_absent(monkeypatch):
    importing(monkeypatch, ModuleNotFoundError("No module named 'timm'", name="timm"))
    found = package("timm", "vision")
    assert (found.state, found.remedy) == ("absent", "pip install 'regard[vision]'")


def test_a_package_that_misses_another_is_broken_and_the_other_named(monkeypatch):
    importing(monkeypatch, ModuleNotFoundError("No module named 'PIL'", name="PIL"))
    found = package("torchvision", "vision")
    assert (found.state, found.remedy) == ("broken", "pip install Pillow")


def test_a_core_package_that_is_not_there_is_broken(monkeypatch):
    importing(monkeypatch, ModuleNotFoundError("No module named 'rich'", name="rich"))
    assert package("rich").state == "broken"


def test_a_torchvision_of_another_torch_is_explained(monkeypatch):
    importing(monkeypatch, RuntimeError("operator torchvision::nms does not exist\nmore"))
    found = package("torchvision", "vision")
    assert found.state == "broken"
    assert "do not match" in found.remedy
    assert "\n" not in found.text


def test_any_other_failure_is_one_line_with_a_remedy(monkeypatch):
    importing(monkeypatch, OSError("libfoo.so: cannot open\nstack\nstack"))
    found = package("sklearn", "data")
    assert found.text == "OSError: libfoo.so: cannot open"
    assert found.remedy == "pip install --force-reinstall scikit-learn"


def test_a_version_is_shown(monkeypatch):
    module = ModuleType("x")
    module.__version__ = "1.2"
    importing(monkeypatch, module)
    assert package("x") == Finding("x", "ok", "1.2")


def test_where_the_compiled_kernels_are_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(compiling, "kept_in", lambda: tmp_path / "regard" / "kernels")
    found = doctor._kernels()
    assert (found.state, found.text.split()[-1]) == ("ok", str(tmp_path / "regard" / "kernels"))
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    found = doctor._kernels()
    assert (found.state, f"{tmp_path} cannot be written" in found.text) == ("absent", True)
    assert "NUMBA_CACHE_DIR" in found.remedy


def test_a_broken_torch_does_not_break_the_doctor(monkeypatch):
    importing(monkeypatch, OSError("libtorch.so: no"))
    found = {finding.what: finding for finding in examine().findings}
    assert found["torch"].state == "broken"
    assert found["gpu"].state == "absent"


def test_a_full_disk_and_one_that_may_not_be_written(monkeypatch, tmp_path):
    usage = namedtuple("usage", "free")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage(10 * 2**20))
    assert doctor._disk() == Finding("disk", "broken", "0.01 GiB free here", "free some space")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: usage(3 * 2**30))
    assert doctor._disk() == Finding("disk", "ok", "3.0 GiB free here")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert doctor._disk().state == "broken"


def test_a_folder_that_is_gone(monkeypatch, tmp_path):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert doctor._disk().state == "broken"

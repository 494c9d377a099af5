import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.comparison import spec as module
from regard.comparison.arms import parse_arms
from regard.comparison.sources import code_fingerprint, library_versions
from regard.comparison.spec import (
    FAILURE,
    SPEC,
    Spec,
    code_now,
    forget_failure,
    is_stale,
    note_failure,
    read_failure,
)
from regard.errors import RegardError
from regard.training import Budget


def make(**given):
    facts = {
        "arm": asdict(parse_arms("se(reduction=4)")[1]),
        "host": "small",
        "pretrained": False,
        "start": "paper",
        "task": {"kind": "images", "classes": 2, "channels": 1, "size": 8},
        "seed": 0,
        "budget": asdict(Budget()),
        "device": "cpu",
        "data": "0" * 64,
        "code": code_fingerprint("se", "small"),
        "versions": library_versions("small"),
    }
    return Spec(**{**facts, **given})


@pytest.mark.parametrize(
    "other",
    [
        {"arm": asdict(parse_arms("se(reduction=8)")[1])},
        {"host": "timm:resnet18"},
        {"pretrained": True},
        {"start": "identity"},
        {"task": {"kind": "images", "classes": 2, "channels": 1, "size": 9}},
        {"seed": 1},
        {"budget": asdict(Budget(rate=0.1))},
        {"device": "cuda"},
        {"data": "1" * 64},
        {"code": "x"},
        {"versions": {"torch": "0"}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_all_that_decides_a_result_is_in_the_key(other):
    assert make(**other).key() != make().key()


def test_a_name_and_a_role_are_not_in_the_key():
    arm = asdict(parse_arms("se(reduction=4)")[1])
    for same in ({"label": "mine"}, {"control": True}, {"lengthened": 3.0}):
        assert make(arm={**arm, **same}).key() == make().key()


def test_the_key_is_a_name_for_a_folder():
    assert len(make().key()) == 16
    assert set(make().key()) <= set("0123456789abcdef")


def test_a_specification_comes_back(tmp_path):
    spec = make()
    spec.save(tmp_path / "a" / "b")
    found = Spec.load(tmp_path / "a" / "b")
    assert found == spec
    assert found.key() == spec.key()


def test_one_that_is_there_is_left(tmp_path):
    make().save(tmp_path)
    before = (tmp_path / SPEC).stat().st_mtime_ns
    make().save(tmp_path)
    assert (tmp_path / SPEC).stat().st_mtime_ns == before


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"arm": 3}', "null"])
def test_anything_else_is_no_specification(tmp_path, text):
    (tmp_path / SPEC).write_text(text)
    with pytest.raises(RegardError, match=r"spec\.json is no specification of a trial"):
        Spec.load(tmp_path)


@pytest.mark.parametrize(
    "arm",
    [{"label": "x", "unknown": 2}, {"label": "x", "mechanism": ["se"]}, [], "se", {}],
    ids=str,
)
def test_an_arm_that_is_none_is_no_specification(tmp_path, arm):
    (tmp_path / SPEC).write_text(json.dumps({**asdict(make()), "arm": arm}))
    with pytest.raises(RegardError, match="is no specification of a trial"):
        Spec.load(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RegardError, match=r"file/trial cannot be written: Not a directory"):
        make().save(tmp_path / "file" / "trial")


def test_other_code_and_other_libraries_are_stale(tmp_path):
    assert is_stale(make()) is False
    assert is_stale(make(code="0" * 16))
    assert is_stale(make(versions={"torch": "0.1"}))
    assert is_stale(make(host=f"{tmp_path / 'gone.py'}:build")) is None
    arm = asdict(replace(parse_arms("se")[1], mechanism=f"{tmp_path / 'gone.py'}:mine"))
    assert is_stale(make(arm=arm)) is None


@given(st.none() | st.text("a.:/\\x00 py_-", max_size=9), st.text("a.:/\\x00 py_-", max_size=9))
def test_whatever_a_strangers_file_names_is_told_or_stale(mechanism, host):
    found = code_now(mechanism, host)
    assert found is None or len(found[0]) == 16


def test_a_failure_is_kept_until_it_is_forgotten(tmp_path):
    assert read_failure(tmp_path) is None
    note_failure(tmp_path, "no luck \udcff", "Traceback …")
    assert read_failure(tmp_path) == "no luck \\udcff"
    assert "Traceback" in (tmp_path / FAILURE).read_text(encoding="utf-8")
    forget_failure(tmp_path)
    forget_failure(tmp_path)
    assert read_failure(tmp_path) is None


def test_a_full_disk_does_not_hide_the_failure_itself(tmp_path, monkeypatch):
    def full(path, data):
        raise RegardError("full")

    monkeypatch.setattr(module, "write_whole", full)
    note_failure(tmp_path, "no luck")
    assert read_failure(tmp_path) is None

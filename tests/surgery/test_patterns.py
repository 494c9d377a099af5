"""Globs on dotted names, against the standard library's fnmatch a component at a time."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import regard
from regard.errors import RegardError
from regard.surgery.patterns import host_modules, modules_at

PARTS = st.text("ab1_", min_size=1, max_size=3)
NAMES = st.lists(st.lists(PARTS, min_size=1, max_size=4), min_size=1, max_size=6)
PIECES = st.sampled_from(["a", "b", "1", "_", "*", "?", "[a1]", "[!a]", "[a-b]", "["])
COMPONENTS = st.one_of(
    st.just("**"),
    st.lists(PIECES, min_size=1, max_size=4).map("".join).filter(lambda g: "**" not in g),
)
GLOBS = st.lists(COMPONENTS, min_size=1, max_size=4)


def tree(names: list[list[str]]) -> nn.Module:
    root = nn.Module()
    for path in names:
        module = root
        for part in path:
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module._modules[part]
    return root


def expected(globs: list[str], parts: list[str]) -> bool:
    """``**`` is any number of names, at least one at the end; the rest is fnmatch."""
    if not globs:
        return not parts
    if globs[0] == "**":
        if len(globs) == 1:
            return bool(parts)
        return any(expected(globs[1:], parts[k:]) for k in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], globs[0]) and expected(globs[1:], parts[1:])


@settings(max_examples=300, deadline=None)
@given(NAMES, GLOBS)
def test_globs_match_as_fnmatch_does_name_by_name(names, globs):
    model = tree(names)
    wanted = [n for n, _ in model.named_modules() if n and expected(globs, n.split("."))]
    if wanted:
        assert list(modules_at(model, ".".join(globs))) == wanted
    else:
        with pytest.raises(RegardError, match="matches no module"):
            modules_at(model, ".".join(globs))


@settings(max_examples=100, deadline=None)
@given(NAMES)
def test_every_name_matches_itself_and_nothing_else(names):
    model = tree(names)
    for name, module in model.named_modules():
        assert modules_at(model, name) == {name: module}


@pytest.fixture
def model() -> nn.Module:
    return tree([["layer1", "0", "bn1"], ["layer1", "1", "bn2"], ["layer2", "0", "bn1"], ["fc"]])


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ("layer*.0.bn1", ["layer1.0.bn1", "layer2.0.bn1"]),
        ("layer**bn1", ["layer1.0.bn1", "layer2.0.bn1"]),
        ("**.bn?", ["layer1.0.bn1", "layer1.1.bn2", "layer2.0.bn1"]),
        ("**.fc", ["fc"]),
        ("*", ["layer1", "layer2", "fc"]),
        ("layer1.**", ["layer1.0", "layer1.0.bn1", "layer1.1", "layer1.1.bn2"]),
        ("layer[2-9]", ["layer2"]),
        ("re:layer1[.].*bn\\d", ["layer1.0.bn1", "layer1.1.bn2"]),
        (["fc", "layer2"], ["layer2", "fc"]),
        (("fc",), ["fc"]),
        ("", [""]),
        (lambda name, module: name.endswith("0"), ["layer1.0", "layer2.0"]),
    ],
)
def test_what_is_meant(model, at, found):
    assert list(modules_at(model, at)) == found


def test_a_glob_never_means_the_model_itself(model):
    assert "" not in modules_at(model, "**")
    assert "" not in modules_at(model, "re:.*")


def test_a_set_stands_for_no_dot():
    model = tree([["a", "b"], ["acb"]])
    assert list(modules_at(model, "a[!x]b")) == ["acb"]
    with pytest.raises(RegardError, match="matches no module"):
        modules_at(model, "a[.]b")


def test_types_and_modules_are_found_by_identity_and_class():
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.ReLU())
    assert list(modules_at(model, nn.modules.batchnorm._NormBase)) == ["1"]
    assert list(modules_at(model, model[2])) == ["2"]
    assert list(modules_at(model, nn.Module)) == ["", "0", "1", "2"]


def test_a_shared_module_is_found_once_under_its_first_name():
    model = nn.Module()
    model.first = nn.ReLU()
    model.second = model.first
    assert list(modules_at(model, "*")) == ["first"]
    assert list(modules_at(model, "second")) == ["second"]


def test_what_is_plugged_is_no_module_of_the_host():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    before = [name for name, _ in host_modules(model)]
    regard.plug(model, "se", "0")
    assert [name for name, _ in host_modules(model)] == before
    assert list(modules_at(model, nn.Conv2d)) == ["0"]
    with pytest.raises(RegardError, match="matches no module"):
        modules_at(model, nn.Linear)


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("layr1", "at='layr1' matches no module; nearest: layer1"),
        (["fc", "layer3"], "at='layer3' matches no module; nearest: layer"),
        ([], "is empty"),
        ("re:(", "at='re:\\(' cannot be read as a pattern"),
        (7, "at=7 is a int; it can be a glob"),
        (nn.Conv2d, "at='Conv2d' matches no module"),
    ],
)
def test_what_matches_nothing_is_an_error(model, at, message):
    with pytest.raises(RegardError, match=message):
        modules_at(model, at)


def test_a_bare_layer_has_no_modules_to_name():
    with pytest.raises(RegardError, match=r"has none inside, '' is the model itself"):
        modules_at(nn.Linear(3, 2), "**")
    assert list(modules_at(nn.Linear(3, 2), "")) == [""]

"""sites(): what is found, what it says, and that looking changes nothing."""

from __future__ import annotations

import json
from collections import OrderedDict

import pytest
import torch
from torch import nn

import regard
from regard.errors import RegardError
from regard.surgery import Site
from regard.surgery.observation import largest_difference, run

X = torch.randn(2, 3, 8, 6)


def network() -> nn.Module:
    return nn.Sequential(
        OrderedDict(
            stem=nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)),
            act=nn.ReLU(),
            pool=nn.AdaptiveAvgPool2d(1),
            flat=nn.Flatten(),
            drop=nn.Dropout(),
            fc=nn.Linear(8, 4),
        )
    )


def test_a_site_says_all_there_is_to_know():
    found = regard.sites(network(), X)
    assert [site.name for site in found] == ["stem.0", "stem.1", "act", "pool"]
    assert found.found[1] == Site(
        "stem.1", "BatchNorm2d", "after", "NCHW", 8, (2, 8, 8, 6), 1, torch.float32,
        torch.device("cpu"),
    )  # fmt: skip
    assert set(found.refused) == {"fc", "flat", "drop"}


def test_the_input_side_is_what_goes_in():
    found = regard.sites(network(), X, "stem.*", before=True)
    assert [(s.name, s.side, s.channels) for s in found] == [
        ("stem.0", "before", 3),
        ("stem.1", "before", 8),
    ]


def test_a_sequential_asked_for_by_name_is_resolved():
    assert [s.name for s in regard.sites(network(), X, "stem")] == ["stem.1"]
    assert [s.name for s in regard.sites(network(), X, ["stem", "act"])] == ["stem.1", "act"]
    assert [s.name for s in regard.sites(network(), X, "stem", before=True)] == ["stem.0"]


def test_the_model_itself_is_a_site_where_it_returns_a_map():
    class Backbone(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 1)

        def forward(self, x):
            return self.conv(x)

    assert [s.name for s in regard.sites(Backbone(), X)] == ["", "conv"]
    assert '""' in regard.sites(Backbone(), X).table()
    assert [s.name for s in regard.sites(nn.Conv2d(3, 8, 1), X)] == [""]


def test_without_an_example_the_types_tell():
    found = regard.sites(network())
    assert [(s.name, s.channels, s.layout, s.shape, s.calls) for s in found] == [
        ("stem.0", 8, "NCHW", None, 0),
        ("stem.1", 8, "NCHW", None, 0),
    ]
    assert "give an example" in found.refused["act"]


def test_calls_are_counted():
    act = nn.ReLU()
    model = nn.Sequential(nn.Conv2d(3, 8, 1), act, nn.Conv2d(8, 8, 1), act)
    assert {s.name: s.calls for s in regard.sites(model, X)} == {"0": 1, "1": 2, "2": 1}


class Moody(nn.Module):
    """Counts calls of train(), and draws random numbers whenever it runs."""

    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.drop = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout()
        self.switched = 0

    def train(self, mode=True):
        self.switched += 1
        return super().train(mode)

    def forward(self, x):
        torch.rand(3)
        return self.drop(self.bn(self.conv(x)))


@pytest.mark.parametrize(
    "look", [regard.sites, lambda m, x: regard.plug(m, "cbam", "bn", example=x)]
)
def test_modes_statistics_gradients_and_random_state_stay(look):
    model = Moody()
    model.bn.eval()
    modes = {module: module.training for module in model.modules()}
    state, statistics = torch.get_rng_state(), model.bn.running_mean.clone()
    x = X.clone().requires_grad_()
    look(model, x)
    assert {module: module.training for module in modes} == modes
    assert model.switched == 0
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(model.bn.running_mean, statistics)
    assert x.grad is None
    assert x.requires_grad


def test_looking_leaves_no_trace_also_when_the_model_fails(traces):
    model = network()
    before = traces(model)
    regard.sites(model, X)
    assert traces(model) == before
    with pytest.raises(RegardError, match="cannot be run on the example"):
        regard.sites(model, torch.randn(1, 5, 4, 4))
    assert traces(model) == before


@pytest.mark.parametrize(
    "example",
    [X, (X,), [X], {"input": X}],
    ids=["tensor", "tuple", "list", "mapping"],
)
def test_examples_of_every_form(example):
    assert len(regard.sites(network(), example)) == 4


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_dtype_and_device_are_those_of_the_tensor(dtype):
    found = regard.sites(network().to(dtype), X.to(dtype))
    assert {s.dtype for s in found} == {dtype}
    assert {s.dtype for s in regard.sites(network().to(dtype))} == {dtype}


def test_under_autocast_a_mechanism_has_the_dtype_of_the_parameters():
    with torch.autocast("cpu", torch.bfloat16):
        found = regard.sites(network(), X, ["stem.0", "act"])
    assert {s.dtype for s in found} == {torch.float32}


def test_on_the_meta_device_shapes_are_enough():
    model = network().to("meta")
    assert {s.device.type for s in regard.sites(model, X.to("meta"))} == {"meta"}


def test_a_normalisation_without_parameters_takes_those_of_the_model():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, affine=False)).double()
    assert [s.dtype for s in regard.sites(model, at="1")] == [torch.float64]


def test_a_table_to_read_a_file_to_keep_and_a_page_to_show(tmp_path, capsys):
    found = regard.sites(network(), X)
    assert found.table().splitlines()[0].split() == [
        "site", "type", "layout", "channels", "shape", "calls",
    ]  # fmt: skip
    assert "stem.1  BatchNorm2d        NCHW    8         2×8×8×6  1" in found.table()
    found.show()
    assert capsys.readouterr().out == found.table() + "\n" == f"{found}\n"
    found.save(tmp_path / "sites.json")
    data = json.loads((tmp_path / "sites.json").read_text())
    assert [s["name"] for s in data["sites"]] == [s.name for s in found]
    assert data["refused"] == found.refused
    page = found._repr_html_()
    assert "<table" in page
    assert "BatchNorm2d" in page
    assert "4 sites; 3 other modules are none" in page


def test_a_table_says_why_modules_are_no_sites_and_shows_only_some():
    text = regard.sites(network(), X, ["fc", "act"]).table()
    _, act, blank, summary, reason = text.splitlines()
    assert act.startswith("act ")
    assert (blank, summary) == ("", "no sites: 1 of the modules asked for")
    assert reason.startswith("  fc: gives shape [2, 4]: attention needs channels")
    model = nn.Sequential(nn.Flatten(), *[nn.Linear(144, 144) for _ in range(5)])
    lines = regard.sites(model, X, "*").table().splitlines()
    assert lines[2] == "no sites: 6 of the modules asked for"
    assert [line.split()[0] for line in lines[3:]] == ["0:", "1:", "2:", "…"]
    assert lines[-1] == "  … and 3 more"
    assert "no sites" not in regard.sites(network(), X, "act").table()


def test_differences_of_any_outputs():
    one = {"a": torch.ones(2), "b": [(torch.zeros(3), torch.arange(2))]}
    other = {"a": torch.ones(2), "b": [(torch.full((3,), 0.5), torch.arange(2) + 1)]}
    assert largest_difference(one, other) == 0.5
    assert largest_difference(one, one) == 0
    assert largest_difference(torch.ones(2), torch.ones(3)) == float("inf")
    assert largest_difference([torch.ones(2)], []) == float("inf")
    assert largest_difference(1, 2) is None
    assert torch.tensor(largest_difference(torch.tensor([1.0, torch.nan]), torch.ones(2))).isnan()


def test_run_names_the_model_in_its_error():
    with pytest.raises(RegardError, match="Linear cannot be run on the example: RuntimeError"):
        run(nn.Linear(2, 2), torch.ones(1, 3))

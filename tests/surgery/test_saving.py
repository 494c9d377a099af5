"""save and load: the add-on alone, from files that anyone may have written."""

from __future__ import annotations

import copy
import json
import os
import pickle
from collections import OrderedDict

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

import regard
from regard.errors import RegardError

X = torch.randn(2, 3, 9, 8)


def build(width: int = 8) -> nn.Module:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(3, width, 3),
            bn=nn.BatchNorm2d(width),
            act=nn.ReLU(),
            last=nn.Conv2d(width, 4, 1),
        )
    ).eval()


@pytest.fixture
def host() -> nn.Module:
    return build()


@pytest.fixture
def model(host, disturbed) -> nn.Module:
    """A host with two mechanisms, away from their start."""
    disturbed(regard.plug(host, "cbam", "bn", example=X))
    disturbed(regard.plug(host, "spatial_transformer", "conv", example=X, size=(7, 6)))
    host.bn.regard.after.mechanism.spatial.norm.running_mean.fill_(0.3)
    return host


@pytest.fixture
def path(model, tmp_path):
    regard.save(model, tmp_path / "addon.safetensors")
    return tmp_path / "addon.safetensors"


def bare(model: nn.Module) -> nn.Module:
    other = copy.deepcopy(model)
    regard.unplug(other)
    return other


def test_a_plain_model_becomes_the_plugged_one(model, path):
    fresh = bare(model)
    state = torch.get_rng_state()
    handle = regard.load(fresh, path)
    assert handle.places == regard.plugged(model).places
    assert torch.equal(fresh(X), model(X))
    assert list(fresh.state_dict()) == list(model.state_dict())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(m.training for m in fresh.modules())


def test_a_plugged_model_takes_the_tensors(model, path):
    other = copy.deepcopy(model)
    handle = regard.plugged(other)
    held = [id(p) for p in handle.parameters()]
    with torch.no_grad():
        for parameter in handle.parameters():
            parameter.zero_()
    regard.load(other, path)
    assert torch.equal(other(X), model(X))
    assert [id(p) for p in handle.parameters()] == held


def test_the_file_holds_nothing_of_the_host(model, path):
    with safe_open(path, framework="pt") as file:
        assert all(".regard." in key for key in file.keys())  # noqa: SIM118
        header = file.metadata()
    assert json.loads(header["places"])[1]["options"]["dims"] == 2
    assert header["format"] == "regard 1"


def test_a_root_site_a_mask_and_the_other_dtype(tmp_path, disturbed):
    class Text(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(9, 8)

        def forward(self, ids, padding_mask=None):
            return self.embed(ids)

    model, ids = Text().eval(), torch.randint(9, (2, 6))
    fresh = copy.deepcopy(model)
    disturbed(regard.plug(model, "multihead", "", example=ids, mask="~padding_mask", heads=2))
    regard.save(model, tmp_path / "addon")
    regard.load(fresh, tmp_path / "addon")
    real = torch.arange(6) < torch.tensor([[4], [6]])
    assert torch.equal(fresh(ids, real), model(ids, real))
    assert (fresh(ids, real) - fresh(ids, ~real)).abs().max() > 1e-3
    wide = copy.deepcopy(fresh).double()
    regard.unplug(wide)
    handle = regard.load(wide, tmp_path / "addon")
    assert {p.dtype for p in handle.parameters()} == {torch.float64}
    assert torch.equal(wide(ids, real), copy.deepcopy(model).double()(ids, real))


def test_all_sites_of_a_text_host_see_its_mask_after_loading(tmp_path, disturbed):
    class Text(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.layer = nn.Embedding(9, 8), nn.Linear(8, 8)

        def forward(self, ids, attention_mask=None):
            return self.layer(self.embed(ids))

    model, ids = Text().eval(), torch.randint(9, (2, 6))
    fresh = copy.deepcopy(model)
    disturbed(regard.plug(model, "se", ["embed", "layer"], example=ids, mask="attention_mask"))
    regard.save(model, tmp_path / "addon")
    regard.load(fresh, tmp_path / "addon")
    keep = torch.arange(6) < torch.tensor([[4], [6]])
    assert torch.equal(fresh(ids, keep), model(ids, keep))
    regard.unplug(fresh)
    assert list(vars(fresh)) == list(vars(Text()))


@pytest.mark.parametrize("wrap", [lambda m: torch.compile(m, backend="eager"), nn.DataParallel])
def test_a_model_wrapped_after_plugging_is_saved_and_loaded_as_itself(model, tmp_path, wrap):
    regard.save(wrap(model), tmp_path / "addon")
    fresh = bare(model)
    regard.load(fresh, tmp_path / "addon")
    assert torch.equal(fresh(X), model(X))
    other = copy.deepcopy(model)
    with torch.no_grad():
        next(regard.plugged(other).parameters()).zero_()
    regard.load(wrap(other), tmp_path / "addon")
    assert torch.equal(other(X), model(X))


def test_a_plain_model_compiled_in_place_cannot_be_plugged_by_loading(model, path):
    fresh = bare(model)
    fresh.compile(backend="eager")
    with pytest.raises(RegardError, match="compiled in place already: plug first"):
        regard.load(fresh, path)


def test_a_factory_must_be_plugged_before(host, tmp_path, disturbed):
    def factory(channels, _name):
        return nn.Conv2d(channels, channels, 1)

    fresh = copy.deepcopy(host)
    disturbed(regard.plug(host, factory, "bn"))
    regard.save(host, tmp_path / "addon")
    with pytest.raises(RegardError, match=r"'bn' of .* plugged from 'factory', .*plug the model"):
        regard.load(fresh, tmp_path / "addon")
    regard.plug(fresh, factory, "bn")
    regard.load(fresh, tmp_path / "addon")
    assert torch.equal(fresh(X), host(X))


OWN = """
from torch import nn
from regard.cards import Card

class Mine(nn.Module):
    def __init__(self, channels, *, device=None, dtype=None):
        super().__init__()
        self.scale = nn.Conv2d(channels, channels, 1, device=device, dtype=dtype)
    def forward(self, x):
        return self.scale(x)

CARD = Card(name="mine", title="Mine", module=Mine, takes="map", family=("channel",), start="none",
            paper="", year=2024, authors="", bibtex="", parameters="C**2 + C", complexity="")
"""


def test_no_code_is_run_because_a_file_says_so(host, tmp_path, disturbed):
    own = tmp_path / "mine.py"
    own.write_text(OWN)
    fresh = copy.deepcopy(host)
    disturbed(regard.plug(host, f"{own}:mine", "bn", start="paper"))
    regard.save(host, tmp_path / "addon")
    own.write_text("raise SystemExit('run')")
    with pytest.raises(RegardError, match="never built from a file; plug the model first"):
        regard.load(fresh, tmp_path / "addon")
    own.write_text(OWN)
    regard.plug(fresh, f"{own}:mine", "bn", start="paper")
    regard.load(fresh, tmp_path / "addon")
    assert torch.equal(fresh(X), host(X))


def rewritten(path, **changes):
    """The file with another header, and its tensors changed."""
    with safe_open(path, framework="pt") as file:
        header = {**file.metadata(), **changes}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    save_file(tensors, path, {k: v for k, v in header.items() if v is not None})
    return path


def replaced(path, **changes):
    with safe_open(path, framework="pt") as file:
        places = json.loads(file.metadata()["places"])
    places[0].update(changes)
    return rewritten(path, places=json.dumps(places))


def cut(path):
    path.write_bytes(path.read_bytes()[:-40])


def shorter(path):
    with safe_open(path, framework="pt") as file:
        header = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    tensors.popitem()
    save_file(tensors, path, header)


def no_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.write_bytes(pickle.dumps({"a": 1})), "cannot be read as safetensors"),
        (lambda p: torch.save({"a": torch.ones(2)}, p), "cannot be read as safetensors"),
        (lambda p: p.write_text("hello, world"), "cannot be read as safetensors"),
        (lambda p: p.write_bytes(b""), "cannot be read as safetensors"),
        (cut, "cannot be read as safetensors"),
        (lambda p: p.unlink(), "cannot be read as safetensors.*No such file"),
        (no_folder, "cannot be read as safetensors"),
        (lambda p: save_file({"a": torch.ones(2)}, p), "was not written by regard.save"),
        (lambda p: rewritten(p, format="regard 2"), "has the format 'regard 2'; this is 'regard 1"),
        (lambda p: rewritten(p, host="0" * 16), "saved from a model with other names or shapes"),
        (lambda p: rewritten(p, host=None), "saved from a model with other names or shapes"),
        (lambda p: rewritten(p, places="[{"), "has a damaged header"),
        (lambda p: rewritten(p, places="[3]"), "has a damaged header"),
        (lambda p: rewritten(p, places=None), "has a damaged header"),
        (lambda p: replaced(p, side="under"), "has a damaged header"),
        (lambda p: replaced(p, layout="NHCW"), "has a damaged header"),
        (lambda p: replaced(p, channels="8"), "has a damaged header"),
        (lambda p: replaced(p, mechanism="os:system"), "which is never built from a file"),
        (lambda p: replaced(p, mechanism="cmba"), "no mechanism is called 'cmba'"),
        (lambda p: replaced(p, options={"device": "meta"}), "device is no option of plug"),
        (lambda p: replaced(p, options={"loud": True}), "has no option 'loud'"),
        (lambda p: replaced(p, site="gone"), "the model has no site 'gone'"),
        (lambda p: replaced(p, channels=5), "tensors differ, among them"),
        (shorter, "does not fit what is plugged: 1 tensors differ"),
    ],
)
def test_files_that_do_not_fit_leave_the_model_as_it_was(model, path, damage, message, traces):
    fresh = bare(model)
    before = traces(fresh)
    damage(path)
    with pytest.raises(RegardError, match=message):
        regard.load(fresh, path)
    assert traces(fresh) == before


def test_another_architecture_is_refused(path):
    with pytest.raises(RegardError, match="other names or shapes than this Sequential; build the"):
        regard.load(build(16), path)


def test_other_mechanisms_or_options_are_refused(host, tmp_path):
    """An SE with another start has the same tensors and computes something else."""
    fresh = copy.deepcopy(host)
    regard.plug(host, "se", "bn", start="paper")
    regard.save(host, tmp_path / "addon")
    regard.plug(fresh, "se", "bn")
    before = {k: v.clone() for k, v in fresh.state_dict().items()}
    with pytest.raises(RegardError, match=r"'start': 'paper'.* but the model carries .*identity"):
        regard.load(fresh, tmp_path / "addon")
    assert all(torch.equal(v, before[k]) for k, v in fresh.state_dict().items())
    regard.unplug(fresh)
    regard.plug(fresh, "se", "last")
    with pytest.raises(RegardError, match=r"holds .*'bn'.* but the model carries .*'last'"):
        regard.load(fresh, tmp_path / "addon")


def test_a_part_of_what_is_plugged_is_not_enough(host, tmp_path):
    regard.plug(host, "se", "bn")
    regard.save(host, tmp_path / "addon")
    regard.plug(host, "eca", "last")
    with pytest.raises(RegardError, match=r"1 tensors differ, among them last\.regard"):
        regard.load(host, tmp_path / "addon")


def test_nothing_plugged_is_nothing_to_save(host, tmp_path):
    with pytest.raises(RegardError, match="nothing is plugged into this model"):
        regard.save(host, tmp_path / "addon")
    assert not list(tmp_path.iterdir())


def test_an_option_that_is_no_json_is_refused(host, tmp_path):
    regard.plug(host, "se", "bn")
    host.bn.regard.after.record["options"]["odd"] = object()
    with pytest.raises(RegardError, match="cannot be written as JSON"):
        regard.save(host, tmp_path / "addon")


def test_places_that_cannot_be_written(model, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for place in ("gone/addon", "file/addon", "folder"):
        with pytest.raises(RegardError, match=f"{place} cannot be written: "):
            regard.save(model, tmp_path / place)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only(model, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RegardError, match="cannot be written: Permission denied"):
            regard.save(model, tmp_path / "addon")
    finally:
        tmp_path.chmod(0o700)


def test_a_write_that_fails_half_way_keeps_the_old_file(model, path, monkeypatch):
    old = path.read_bytes()

    def full(_path, _data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(RegardError, match="No space left on device"):
        regard.save(model, path)
    assert path.read_bytes() == old
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_causal_mechanism_is_causal_again(tmp_path, disturbed):
    model, x = nn.Sequential(nn.Linear(8, 8)), torch.randn(2, 5, 8)
    plain = copy.deepcopy(model)
    disturbed(regard.plug(model, "self", "0", example=x, causal=True))
    regard.save(model, tmp_path / "addon")
    fresh = copy.deepcopy(plain)
    regard.load(fresh, tmp_path / "addon")
    assert torch.equal(fresh(x), model(x))
    assert torch.equal(fresh(x)[:, :2], fresh(x[:, :2]))
    regard.plug(plain, "self", "0", example=x)
    with pytest.raises(RegardError, match=r"'causal': True.*plug the same"):
        regard.load(plain, tmp_path / "addon")


def test_a_score_that_never_starts_as_the_identity_comes_back(tmp_path):
    model, x = nn.Sequential(nn.Linear(8, 8)), torch.randn(2, 5, 8)
    plain = copy.deepcopy(model)
    regard.plug(model, "bilinear", "0", example=x, start="paper")
    regard.save(model, tmp_path / "addon")
    regard.load(plain, tmp_path / "addon")
    assert torch.equal(plain(x), model(x))

from dataclasses import replace

import pytest

from regard.bench import cases as module
from regard.bench.cases import cases, options_for, writes_over
from regard.bench.scope import Scope
from regard.catalogue import card, names
from regard.comparison.arms import Arm
from regard.errors import RegardError


def made(mechanisms, **options):
    return cases(Scope(mechanisms=mechanisms, device="cpu", **options))


@pytest.mark.parametrize("name", names())
def test_every_mechanism_has_cases_by_its_card(name):
    if card(name).takes not in ("map", "tokens"):
        with pytest.raises(RegardError, match="bench measures"):
            made(name)
        return
    found = made(name, parts=("modules", "growth"))
    tokens = card(name).takes == "tokens"
    assert {len(c.shape) - 2 for c in found} <= ({1} if tokens else set(card(name).dims))
    assert {c.layout for c in found} <= ({"tokens"} if tokens else {"first", "last"})


def test_what_takes_neither_maps_nor_tokens_is_refused():
    with pytest.raises(RegardError, match="takes position; bench measures"):
        made("sinusoidal")


def test_sites_are_refused():
    with pytest.raises(RegardError, match="without @"):
        made("se@layer1")


def test_a_shape_goes_to_who_takes_it_and_the_others_keep_theirs():
    found = made("se,additive", parts=("modules",), shapes=((2, 8, 4, 4),))
    assert {(c.mechanism, c.shape) for c in found} == {
        ("se", (2, 8, 4, 4)),
        ("additive", (8, 256, 256)),
    }
    with pytest.raises(RegardError, match="none of se takes the shape 2×8×8"):
        made("se", shapes=((2, 8, 8),))


def test_what_grows_grows():
    found = [c for c in made("se", parts=("growth",)) if c.mode == "training"]
    for along in ("batch", "side", "channels"):
        sizes = [c.grown for c in found if c.along == along]
        assert sizes == sorted(set(sizes))
        assert len(sizes) >= 4
    tokens = [c for c in made("self", parts=("growth",)) if c.mode == "training"]
    assert [c.grown for c in tokens if c.along == "length"] == [16, 32, 64, 128, 256]
    assert [c.grown for c in tokens if c.along == "width"] == [32, 64, 128, 256, 512]


def test_in_short_networks_are_for_maps_and_only_training_grows():
    short = made("se,self")
    assert {c.mechanism for c in short if c.part == "networks"} == {"se"}
    assert {c.mode for c in short if c.part == "growth"} == {"training"}
    assert {c.mode for c in made("se", parts=("growth",))} == {"inference", "training"}
    assert {c.mechanism for c in made("se,self", parts=("networks",))} == {"se", "self"}


def test_who_writes_over_its_input_is_tried():
    assert writes_over(Arm(label="cbam", mechanism="cbam"))
    assert not writes_over(Arm(label="stn", mechanism="spatial_transformer"))


def test_maps_have_both_memory_formats_and_may_be_written_over():
    found = {(c.layout, c.mode) for c in made("se", parts=("modules",))}
    assert found == {
        (a, b) for a in ("first", "last") for b in ("inference", "in place", "training")
    }


def test_tokens_have_one_layout_and_are_never_written_over():
    found = [(c.layout, c.mode) for c in made("additive", parts=("modules",))]
    assert found == [("tokens", "inference"), ("tokens", "training")]


def test_options_are_the_callers_and_what_has_no_default(monkeypatch):
    arm = Arm(label="cbam(reduction=4)", mechanism="cbam", options={"reduction": 4})
    assert options_for(arm, 3) == {"dims": 3, "reduction": 4}

    def needy(channels, window, heads=8):
        raise NotImplementedError

    told = replace(card("se"), module=needy, options={"window": 7, "heads": 2})
    monkeypatch.setattr(module, "card", lambda name: told)
    assert options_for(Arm(label="needy", mechanism="needy"), 2) == {"window": 7}


def test_sizes_that_a_mechanism_refuses_do_not_grow():
    found = made("multihead", parts=("growth",))
    assert {c.shape[-1] for c in found if c.along == "width"} == {32, 64, 128, 256, 512}
    found = made("multihead(heads=64)", parts=("growth",))
    assert {c.shape[-1] for c in found if c.along == "width"} == {64, 128, 256, 512}

import json
from dataclasses import asdict, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from regard.comparison.arms import Arm, parse_arms, parse_controls, placebos
from regard.errors import RegardError
from regard.networks import SmallResNet
from regard.surgery import plugged


def test_names_options_and_sites_are_read():
    arms = parse_arms("none, se, eca(kernel_size=5), cbam(reduction=8, variant=paper)@layer3.*")
    assert [arm.label for arm in arms] == [
        "none",
        "se",
        "eca(kernel_size=5)",
        "cbam(reduction=8, variant=paper)@layer3.*",
    ]
    assert [arm.mechanism for arm in arms] == [None, "se", "eca", "cbam"]
    assert arms[2].options == {"kernel_size": 5}
    assert arms[3].options == {"reduction": 8, "variant": "paper"}
    assert [arm.at for arm in arms] == [None, None, None, "layer3.*"]


def test_the_plain_network_always_comes_first_and_once():
    for text in ("se", "se,none", "none,se", "none,none,se"):
        assert [arm.label for arm in parse_arms(text)] == ["none", "se"]


def test_an_alias_is_the_mechanism_under_the_name_given():
    (_, arm) = parse_arms("stn")
    assert (arm.label, arm.mechanism) == ("stn", "spatial_transformer")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no mechanism; an example is none,se,cbam"),
        ("none", "names no mechanism"),
        ("cmba", "no mechanism is called 'cmba'; nearest: cbam"),
        ("se(redcution=8)", "se takes no option 'redcution' here; nearest: reduction"),
        ("se(reduction)", "'reduction' is no option of se; the form is se(option=value)"),
        ("se(reduction=8,reduction=4)", "'reduction' is given twice"),
        ("se(channels=3)", "se takes no option 'channels' here"),
        ("se(device=cpu)", "se takes no option 'device' here"),
        ("se(reduction=8", "has a bracket that is not closed"),
        ("se(reduction=8)x", "is no arm; the form is NAME, NAME(option=value)"),
        ("se@", "'se@' is no arm"),
        ("@layer1", "is no arm"),
        ("se(reduction={1})", "se(reduction=…): {1} is no number, text"),
        ("se(reduction=1e999)", "se(reduction=…): 1e999 is no number, text"),
        ("none@layer1", "the plain network takes neither options nor sites"),
        ("se,se", "'se' is given twice"),
        ("se,senet", "'senet' is given twice"),
        ("se(reduction=8),se(reduction = 8)", "is given twice"),
    ],
)
def test_a_mistake_is_answered_with_what_works(text, said):
    with pytest.raises(RegardError) as error:
        parse_arms(text)
    assert said in str(error.value)
    assert len(str(error.value).splitlines()) == 1


names = st.sampled_from(["se", "eca", "cbam", "cbam_spatial"])
sites = st.sampled_from([None, "layer3.*", "layer1.*+layer2.*", "re:layer(1|2)\\..{1,2}bn2"])


@given(names, st.none() | st.integers(1, 99), sites)
def test_what_is_written_is_read(name, number, at):
    option = {"se": "reduction", "eca": "kernel_size"}.get(name, "kernel_size")
    written = "" if number is None else f"({option}={number})"
    text = f"{name}{written}" + ("" if at is None else f"@{at}")
    (_, other, arm) = parse_arms(f"multihead,{text}")
    assert other.mechanism == "multihead"
    assert (arm.label, arm.mechanism, arm.at) == (text, name, at)
    assert arm.options == ({} if number is None else {option: number})


@given(st.text("se,()@=:[]{}+1 n", max_size=12))
def test_any_text_gives_arms_or_one_clear_error(text):
    try:
        arms, said = parse_arms(text), []
    except RegardError as error:
        arms, said = (), str(error).splitlines()
    assert (len(arms) > 1 and arms[0].mechanism is None) or 0 < len(said) <= 3


def test_arms_survive_json():
    for arm in parse_arms("se(reduction=8),spatial_transformer(size=(4, 4)),cbam(variant='paper')"):
        assert Arm(**json.loads(json.dumps(asdict(arm)))) == arm


def test_controls_are_read_once_each():
    assert parse_controls("longer, widened,longer") == ("longer", "widened")
    assert parse_controls("none") == parse_controls("") == ()
    with pytest.raises(RegardError, match="no control is called 'wider'; nearest: widened"):
        parse_controls("wider")


def test_only_gating_mechanisms_have_a_placebo():
    arms = parse_arms("se(reduction=4)@layer1.*,eca,spatial_transformer,multihead")
    made = placebos(arms)
    assert [arm.label for arm in made] == ["se(reduction=4)@layer1.*, placebo", "eca, placebo"]
    assert all(arm.placebo and arm.control for arm in made)
    assert made[0].options == {"reduction": 4}
    assert made[0].at == "layer1.*"


def test_an_arm_is_what_it_does_and_not_what_it_is_called():
    arm = parse_arms("se")[1]
    for same in ({"label": "x"}, {"control": True}, {"lengthened": 2.0}):
        assert replace(arm, **same).identity() == arm.identity()
    for other in ({"mechanism": "eca"}, {"options": {"reduction": 2}}, {"at": "layer1"}):
        assert replace(arm, **other).identity() != arm.identity()
    for other in ({"width": 2.0}, {"placebo": True}):
        assert replace(arm, **other).identity() != arm.identity()


@pytest.mark.parametrize(
    ("factor", "epochs"), [(1.0, 8), (1.05, 9), (1.125, 9), (1.25, 10), (1.0 + 1e-12, 8)]
)
def test_longer_is_never_shorter_than_the_factor(factor, epochs):
    assert Arm(label="x", lengthened=factor).epochs(8) == epochs


def places(text):
    model = SmallResNet(2, 1)
    parse_arms(text)[1].plug_into(model, torch.randn(2, 1, 8, 8), "paper")
    return sorted(plugged(model).attachments())


def test_without_sites_the_card_says_where():
    assert places("se") == [(f"layer{i}.0.bn2", "after") for i in (1, 2, 3)]
    assert places("spatial_transformer") == [("stem.conv", "before")]
    assert [side for _, side in places("multihead")] == ["after"]
    assert places("multihead")[0][0].startswith("layer3")


def test_sites_are_those_given():
    assert places("se@layer1.*.bn2+layer2.*.bn1") == [
        ("layer1.0.bn2", "after"),
        ("layer2.0.bn1", "after"),
    ]
    assert places(r"se@re:layer(1|3)\.0\.bn2") == [
        ("layer1.0.bn2", "after"),
        ("layer3.0.bn2", "after"),
    ]


@pytest.mark.parametrize("text", ["se@layre1.*", "se@layer1.*.bn2+layre2.*"])
def test_a_pattern_without_a_site_names_arm_and_nearest(text):
    with pytest.raises(RegardError, match=r"se@.*matches no module; nearest: layer") as error:
        places(text)
    assert text in str(error.value)


def test_a_value_that_an_option_cannot_take_names_the_arm():
    with pytest.raises(RegardError, match=r"cbam\(kernel_size=2\): .*odd"):
        places("cbam(kernel_size=2)")


def test_the_start_can_be_chosen_and_a_tuple_reaches_the_mechanism():
    model, x = SmallResNet(2, 1).eval(), torch.randn(2, 1, 8, 8)
    before = model(x)
    parse_arms("se(start=identity)")[1].plug_into(model, x, "paper")
    assert torch.equal(model(x), before)
    model = SmallResNet(2, 1)
    handle = parse_arms("stn(size=(8, 8))")[1].plug_into(model, x, "paper")
    assert handle is not None
    (mechanism,) = handle.mechanisms().values()
    assert mechanism.size == (8, 8)


def test_the_plain_network_is_left_alone():
    model = SmallResNet(2, 1)
    assert parse_arms("se")[0].plug_into(model, torch.randn(2, 1, 8, 8), "paper") is None
    assert not plugged(model).attachments()

import pytest

from regard.comparison.arms import parse_arms
from regard.errors import RegardError
from regard.tasks import Network


def test_an_attention_is_built_into_the_host_and_a_network_stands_alone():
    plain, dot, other = parse_arms("dot,none,transformer(positions=rotary)", "translation")
    assert plain.network("gru(dim=32)", "translation") == Network(
        name="gru", options={"dim": 32}, attention="none"
    )
    assert dot.network("gru", "translation").attention == "dot"
    assert other.network("gru", "translation") == Network(
        name="transformer", options={"positions": "rotary"}
    )


def test_options_go_to_whom_they_are_written_at():
    _, local, linear = parse_arms("none,local_p(window=3),additive", "translation")
    assert local.network("gru", "translation").attention_options == {"window": 3}
    assert linear.mechanism == "additive"
    _, focused = parse_arms("none,multihead(heads=2)", "tagging")
    assert focused.network("convolution", "tagging").attention_options == {"heads": 2}


def test_without_none_the_others_are_compared_with_the_first():
    labels = [arm.label for arm in parse_arms("bigru,convolution", "tagging")]
    assert labels == ["bigru", "convolution"]
    labels = [arm.label for arm in parse_arms("bigru,none", "tagging")]
    assert labels == ["none", "bigru"]


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("none,multihed", "tagging", "no mechanism is called 'multihed'; nearest: multihead"),
        ("none,multihed", "tagging", "networks for tagging: bag, convolution"),
        ("none,dot@encoder", "translation", "sites are for images"),
        ("none", "tagging", "names 1 networks; two are compared"),
        ("none,gru(heads=3)", "translation", "gru takes no option 'heads' here"),
        ("none,dot(window=3)", "translation", "dot takes no option 'window' here"),
        ("none,bigru,bigru", "tagging", "'bigru' is given twice"),
    ],
)
def test_what_cannot_be_compared_is_said(text, kind, said):
    with pytest.raises(RegardError) as error:
        parse_arms(text, kind)
    assert said in str(error.value)
    assert len(str(error.value).splitlines()) <= 3


def test_the_name_of_a_network_decides_a_trial():
    first, second = parse_arms("bigru,bilstm", "tagging")
    assert first.identity() != second.identity()

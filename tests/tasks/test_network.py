import pytest
import torch

from regard.errors import RegardError
from regard.tasks import Network
from regard.tasks.network import NETWORKS


def test_a_network_is_read_with_its_options():
    found = Network.parse("transformer(positions=rotary, heads=8)", "tagging")
    assert (found.name, found.options) == ("transformer", {"positions": "rotary", "heads": 8})
    assert Network.parse("timm:resnet18", "images").name == "timm:resnet18"


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("gru", "tagging", "no network for tagging is called 'gru'; nearest: bigru"),
        ("small", "translation", "no network for translation is called 'small'"),
        ("bag(layers=2)", "tagging", "bag takes no option 'layers' here"),
        ("bigru(pooling=max)", "tagging", "bigru takes no option 'pooling' here"),
        ("gru@encoder", "translation", "no network for translation is called 'gru@encoder'"),
        ("gru(dim", "translation", "has a bracket that is not closed"),
        ("gru(dim=8,dim=9)", "translation", "the option 'dim' is given twice"),
    ],
)
def test_what_there_is_not_is_said(text, kind, said):
    with pytest.raises(RegardError) as error:
        Network.parse(text, kind)
    assert said in str(error.value)
    assert len(str(error.value).splitlines()) <= 3


def test_its_width_is_its_own_or_the_tasks_and_grows_by_what_its_heads_can_share():
    plain = Network(name="transformer")
    assert plain.size(30) == 30
    assert Network(name="transformer", options={"dim": 24}).size(64) == 24
    for width in (0.4, 1.1, 2.6):
        assert Network(name="transformer", width=width).size(30) % 8 == 0
    assert Network(name="bigru", width=2.0).size(32) == 64


SIDES = {"translation": "pairs", "tagging": "tags", "classification": "texts"}


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k in NETWORKS for n in NETWORKS[k]])
def test_every_network_is_built_and_widened_and_runs(request, kind, name):
    task = request.getfixturevalue(SIDES[kind])
    sizes = []
    for width in (1.0, 2.0):
        model = task.build(Network(name=name, width=width))
        task.check(model)
        loss = task.loss(model, task.batch(task.order(8, seed=0, epoch=0)[0]))
        assert torch.isfinite(loss.mean)
        sizes.append(sum(p.numel() for p in model.parameters()))
    assert sizes[0] < sizes[1]


def test_attention_has_its_place_in_every_network(tags, pairs):
    on_top = tags.build(Network(name="convolution", attention="multihead"))
    inside = tags.build(Network(name="transformer", attention="linear"))
    back = pairs.build(Network(name="gru", attention="dot"))
    none = pairs.build(Network(name="gru", attention="none"))
    assert type(on_top.encoder).__name__ == "AttentiveEncoder"
    assert type(inside.encoder.layers[0].attention).__name__ == "LinearAttention"
    assert back.decoder.aligner.score == "dot"
    assert none.decoder.aligner is None


def test_a_transformer_without_attention_is_refused(tags):
    with pytest.raises(RegardError, match=r"no transformer without attention.*--with convolution"):
        tags.build(Network(name="transformer", attention="none"))

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import regard
from regard import RegardError
from regard.maps import Keep
from regard.networks import SmallResNet
from regard.networks.sequences import RecurrentEncoderDecoder
from regard.page import capital
from regard.seeing import alignment


@pytest.fixture(scope="module")
def maps():
    torch.manual_seed(0)
    model, x = SmallResNet(3, 3).eval(), torch.randn(2, 3, 16, 16)
    regard.plug(model, "cbam", ["layer1.0.bn2", "layer2.0.bn2"], example=x, start="paper")
    regard.plug(model, "multihead", "layer3", example=x, start="paper", mask=False)
    regard.plug(model, "spatial_transformer", "stem.conv", example=x, before=True)
    with torch.no_grad(), regard.see(model) as found:
        model(x)
    return found


def test_maps_are_found_by_place_kind_both_and_number(maps):
    assert {m.form for m in maps} == {
        "theta", "sampling points", "warped output", "channel gate", "spatial gate",
        "query-key weights",
    }  # fmt: skip
    assert maps[0] is next(iter(maps))
    assert [m.form for m in maps["layer1.*"]] == ["channel gate", "spatial gate"]
    assert len(maps["channel gate"]) == 2
    assert [m.site.split(".")[0] for m in maps["layer2", "spatial gate"]] == ["layer2"]
    assert len(maps["gate"]) == 4


def test_what_is_not_there_is_answered_with_the_nearest(maps):
    with pytest.raises(RegardError, match=r"nearest: layer1\.0"):
        maps["layer1.0.bn3.regard.after.mechanism"]
    with pytest.raises(RegardError, match="of the kind 'weights'"):
        maps["layer1"].at("**", "weights")


def test_saved_maps_are_the_arrays(maps, tmp_path):
    maps.save(path := tmp_path / "maps.safetensors")
    arrays, saved = maps.arrays(), load_file(path)
    assert saved.keys() == arrays.keys()
    assert all((saved[key].numpy() == arrays[key]).all() for key in saved)
    with pytest.raises(RegardError, match="safetensors"):
        maps.save(tmp_path / "maps.npz")


def test_the_page_shows_every_map_and_asks_the_network_for_nothing(maps, tmp_path):
    text = maps.write_html(tmp_path / "maps.html").read_text(encoding="utf-8")
    for m in maps:
        assert f"{capital(m.form)} at {m.site}" in text
    assert "http" not in text.replace("http://www.w3.org", "").replace("http-equiv", "")
    assert maps._repr_html_().startswith("<iframe")


def test_names_from_a_model_are_escaped(tmp_path):
    model = nn.ModuleDict({"<script>alert(1)</script>": nn.MultiheadAttention(4, 2)})
    x = torch.randn(3, 2, 4)
    with regard.see(model) as maps:
        next(iter(model.values()))(x, x, x)
    text = maps.write_html(tmp_path / "maps.html").read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_a_model_that_attends_to_nothing_says_so():
    model = nn.Linear(2, 2)
    with regard.see(model) as maps:
        model(torch.randn(1, 2))
    assert "no map of Linear was seen" in maps.table()
    with pytest.raises(RegardError, match="no map of Linear was seen"):
        maps["weights"]


def test_summaries_and_limits_are_told():
    attention, x = nn.MultiheadAttention(4, 2, batch_first=True), torch.randn(1, 9, 4)
    with regard.see(attention, Keep(longest=4)) as maps:
        attention(x, x, x)
    assert "1 long map is summarised" in maps.table()
    with regard.see(attention, Keep(most=1)) as maps:
        attention(x, x, x)
    assert maps.table().startswith("1 map is left out, beyond 1 bytes")


def test_layers_can_be_named_in_short(maps):
    model = nn.Transformer(8, 2, 1, 1, 16, batch_first=True).eval()
    with regard.see(model, "decoder.**") as found:
        model(torch.randn(1, 4, 8), torch.randn(1, 3, 8))
    assert [m.values.shape[-1] for m in found] == [3, 4]


def test_our_own_sequence_networks():
    torch.manual_seed(0)
    model = RecurrentEncoderDecoder(9, 9, 8, 8).eval()
    source, target = torch.randint(3, 9, (2, 5)), torch.randint(3, 9, (2, 4))
    with torch.no_grad(), regard.see(model) as maps:
        model(source, target)
    together = torch.cat([m.values for m in maps["weights"]], 1)
    (wanted,) = model.attention_weights(source, target).values()
    assert together.shape[1:] == (4, 5)
    torch.testing.assert_close(together[:, -wanted.shape[1] :], wanted)


class Speaking(nn.Module):
    """Three steps, each with a query of its own, all in the model's own forward."""

    def forward(self, states):
        for step in range(3):
            weights = (states[:, :, :1] * step).softmax(1)
            state = (weights * states).sum(1)
        return state


def test_a_decoder_written_step_by_step_has_one_picture():
    model, states = Speaking().eval(), torch.randn(1, 5, 4)
    with regard.see(model) as maps:
        model(states)
    assert [m.values.shape for m in maps] == [(1, 1, 5)] * 3
    assert alignment(maps).shape == (1, 3, 5)
    html = maps.page().html()
    assert html.count("<h2") == 2
    assert "the model itself" in maps.table()

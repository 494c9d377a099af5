"""Windows put back over the picture, against attention over the whole picture with a mask."""

import pytest
import torch
from torch import nn

from regard import RegardError, get, see
from regard.maps import Map, Places
from regard.seeing import heads_of, put_back

timm = pytest.importorskip("timm")


@pytest.fixture
def shifted():
    """Weights of shifted windows of 4×4 on a map of 8×8, and the same by hand: [h, 64, 64]."""
    torch.manual_seed(0)
    layer = get("shifted_window", 16, window=4, heads=2).eval()
    nn.init.normal_(layer.position)
    x = torch.randn(1, 16, 8, 8)
    with torch.no_grad(), see(nn.Sequential(layer)) as maps:
        layer(x)
    (found,) = maps["weights"]
    return found, whole(layer, x)


@torch.no_grad()
def whole(layer, x):
    """Softmax over all 64 places; those of another window, or over the edge, are left out."""
    tokens = x[0].flatten(1).T
    q, k, _ = layer.qkv(tokens).view(64, 3, 2, 8).permute(1, 2, 0, 3)
    logits = q @ k.mT / 8**0.5
    row, column = torch.arange(64) // 8, torch.arange(64) % 8
    down, across = row[:, None] - row, column[:, None] - column
    near = (down.abs() < 4) & (across.abs() < 4)
    table = layer.position.view(7, 7, 2)
    logits += table[down.clamp(-3, 3) + 3, across.clamp(-3, 3) + 3].permute(2, 0, 1)
    band = torch.arange(8).add(2).div(4, rounding_mode="floor")  # rows 0-1, 2-5, 6-7
    window = band[row] * 3 + band[column]
    return logits.masked_fill(~(near & (window[:, None] == window)), float("-inf")).softmax(-1)


def test_each_place_attends_over_the_picture_as_attention_over_all_of_it_would(shifted):
    found, by_hand = shifted
    assert heads_of(found) == 2
    for place in range(64):
        query = divmod(place, 8)
        for head in range(2):
            torch.testing.assert_close(
                put_back(found, query, head=head), by_hand[head, place].view(8, 8)
            )
        torch.testing.assert_close(put_back(found, query), by_hand[:, place].mean(0).view(8, 8))


def test_the_mean_over_all_places_is_what_each_is_given_on_average(shifted):
    found, by_hand = shifted
    torch.testing.assert_close(put_back(found), by_hand.mean((0, 1)).view(8, 8))
    torch.testing.assert_close(put_back(found, head=1), by_hand[1].mean(0).view(8, 8))
    torch.testing.assert_close(put_back(found).sum(), torch.tensor(1.0))


def test_a_single_bright_place_is_found_again_where_it_is():
    """Swin whose shifted windows ask for one thing in what the patches hold."""
    torch.manual_seed(0)
    model = timm.create_model(
        "swin_tiny_patch4_window7_224", img_size=32, depths=(2,), embed_dim=8, num_heads=(1,),
        window_size=4, num_classes=3,
    ).eval()  # fmt: skip
    block = model.layers[0].blocks[1]
    x = torch.zeros(2, 3, 32, 32)
    x[1, :, 4 * 5 : 4 * 6, 4 * 7 : 4 * 8] = 1  # the patch at row 5, column 7 of the second picture
    with torch.no_grad():
        for parameter in model.layers[0].blocks[0].parameters():
            parameter.zero_()  # it adds nothing
        for name, parameter in block.attn.named_parameters():
            parameter.zero_()
            if name == "qkv.bias":
                parameter[:8] = 1  # all queries alike
            if name == "qkv.weight":
                parameter[8:16] = 40 * torch.randn(8)  # keys by one direction of what is there
    with torch.no_grad(), see(model) as maps:
        model(x)
    found = maps["layers.0.blocks.1.attn"][0]
    flat, spot = put_back(found, sample=0), put_back(found, sample=1)
    torch.testing.assert_close(flat, torch.full((8, 8), 1 / 64))
    window = torch.zeros(8, 8, dtype=torch.bool)
    window[2:6, 6:] = True  # shifted by two: columns 6 and 7 come with 0 and 1, masked apart
    changed = (spot - 1 / 64).abs() > 1e-6
    assert changed[5, 7]
    assert not changed[~window].any()


def test_overlapping_windows_have_a_mean_and_places_but_no_heads():
    torch.manual_seed(0)
    layer = get("outlook", 8, heads=2).eval()
    with torch.no_grad(), see(nn.Sequential(layer)) as maps:
        layer(torch.randn(1, 8, 6, 6))
    (found,) = maps["weights"]
    inside = put_back(found)
    assert inside.shape == (6, 6)
    assert 0 < float(inside.sum()) < 1  # padding takes some
    assert put_back(found, (0, 0))[3:, 3:].sum() == 0
    with pytest.raises(RegardError, match="overlap"):
        heads_of(found)


def test_what_is_not_known_or_not_there_is_told(shifted):
    found, _ = shifted
    for options, words in (
        ({"query": (8, 0)}, "row 8"),
        ({"query": (0, -1)}, "column -1"),
        ({"sample": 1}, "sample 1"),
        ({"head": 2}, "head 2"),
    ):
        with pytest.raises(RegardError, match=words):
            put_back(found, **options)
    with pytest.raises(RegardError, match="not known where on a picture"):
        put_back(Map("a", "weights", torch.ones(1, 4, 4) / 4))
    keys = torch.arange(4, dtype=torch.int32)[None]
    asked = Map("a", "weights", torch.eye(4)[None], places=Places((2, 2), keys, None, ()))
    torch.testing.assert_close(put_back(asked), torch.full((2, 2), 0.25))
    with pytest.raises(RegardError, match="where its queries lie"):
        put_back(asked, (0, 0))

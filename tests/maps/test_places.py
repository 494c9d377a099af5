"""Where windows lie on a picture, told from the calls that cut them."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from regard import get
from regard.maps import Keep, record

timm = pytest.importorskip("timm")
torchvision = pytest.importorskip("torchvision")


@pytest.fixture(autouse=True)
def same_numbers():
    torch.manual_seed(0)


@torch.no_grad()
def weights_of(model, x, keep=None):
    with record(model.eval(), keep or Keep()) as found:
        model(x)
    return [m for m in found if m.kind == "weights"]


def windows_of(height, width, window, shift):
    """Places of each window by hand: row and column of its corner, moved by the shift."""
    corners = [(r, c) for r in range(0, height, window) for c in range(0, width, window)]
    return torch.tensor(
        [
            [
                (r + i + shift) % height * width + (c + j + shift) % width
                for i in range(window)
                for j in range(window)
            ]
            for r, c in corners
        ],
        dtype=torch.int32,
    )


SWINS = {
    "timm": lambda: timm.create_model(
        "swin_tiny_patch4_window7_224", img_size=(32, 48), depths=(2, 2), embed_dim=16,
        num_heads=(2, 4), window_size=4, num_classes=3,
    ),
    "timm, second": lambda: timm.create_model(
        "swinv2_tiny_window8_256", img_size=(32, 48), depths=(2, 2), embed_dim=16,
        num_heads=(2, 4), window_size=4, num_classes=3,
    ),
    "torchvision": lambda: torchvision.models.SwinTransformer(
        [4, 4], 16, [2, 2], [2, 4], [4, 4], num_classes=3
    ),
    "torchvision, second": lambda: torchvision.models.SwinTransformer(
        [4, 4], 16, [2, 2], [2, 4], [4, 4], num_classes=3,
        block=torchvision.models.swin_transformer.SwinTransformerBlockV2,
        downsample_layer=torchvision.models.swin_transformer.PatchMergingV2,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SWINS)
def test_windows_of_swin_shifted_or_not_lie_where_they_were_cut(name):
    plain, moved, *_ = weights_of(SWINS[name](), torch.randn(2, 3, 32, 48))
    for found, shift in ((plain, 0), (moved, 2)):
        assert found.places.frame == (8, 12)
        by_hand = windows_of(8, 12, 4, shift)
        both = torch.cat((by_hand, by_hand + 96))[:, None].expand(-1, 2, -1)
        torch.testing.assert_close(found.places.keys, both)
        torch.testing.assert_close(found.places.queries, both)
        assert ("roll" in found.places.calls) == (shift > 0)


def test_the_second_stage_is_told_from_its_own_smaller_map():
    model = timm.create_model(
        "swin_tiny_patch4_window7_224", img_size=(64, 32), depths=(1, 1), embed_dim=16,
        num_heads=(2, 4), window_size=4, num_classes=3,
    )  # fmt: skip
    first, plain = weights_of(model, torch.randn(1, 3, 64, 32))
    assert first.places.frame == (16, 8)
    assert plain.places.frame == (8, 4)
    torch.testing.assert_close(plain.places.keys[:, 0], windows_of(8, 4, 4, 0))


def test_padding_is_no_place():
    found = weights_of(get("window", 32, window=4, heads=1), torch.randn(1, 32, 6, 6))[0]
    keys = found.places.keys[0]
    assert keys[0].tolist() == [0, 1, 2, 3, 6, 7, 8, 9, 12, 13, 14, 15, 18, 19, 20, 21]
    assert keys[1].tolist() == [4, 5, -1, -1, 10, 11, -1, -1, 16, 17, -1, -1, 22, 23, -1, -1]
    assert sorted(keys[keys >= 0].tolist()) == list(range(36))


def test_a_grid_of_maxvit_is_spread_over_the_picture():
    partition = torchvision.models.maxvit.PartitionAttentionLayer

    def layer(kind):
        return partition(
            8, 8, 4, kind, (8, 8), 2, nn.GELU, nn.LayerNorm, 0.0, 0.0, 0.0
        )  # fmt: skip

    x = torch.randn(1, 8, 8, 8)
    window, grid = (weights_of(layer(kind), x)[0].places for kind in ("window", "grid"))
    torch.testing.assert_close(window.keys[0, :, 0], windows_of(8, 8, 4, 0))
    assert grid.keys[0, 1, 0].tolist() == [
        8 * r + c for r in range(0, 8, 2) for c in range(1, 8, 2)
    ]


class Windows(nn.Module):
    """Attention in windows of two by two, written in some way."""

    def __init__(self, product):
        super().__init__()
        self.product = product

    def forward(self, x):
        batch, channels, height, width = x.shape
        x = x.view(batch, channels, height // 2, 2, width // 2, 2)
        x = x.permute(0, 2, 4, 3, 5, 1).reshape(-1, 4, channels)
        return self.product(x)


@pytest.mark.parametrize(
    "product",
    [
        lambda x: F.scaled_dot_product_attention(x, x, x),
        lambda x: (x @ x.transpose(1, 2)).softmax(-1) @ x,
        lambda x: torch.einsum("wqk,wkd->wqd", (x @ x.mT).softmax(-1), x),
        lambda x: x.mT @ (x @ x.mT).softmax(-1).mT,
    ],
)
def test_any_way_of_writing_the_product_tells_the_same(product):
    (found,) = weights_of(Windows(product), torch.randn(2, 3, 4, 6))
    by_hand = windows_of(4, 6, 2, 0)
    torch.testing.assert_close(found.places.keys, torch.cat((by_hand, by_hand + 24)))
    torch.testing.assert_close(found.places.queries, found.places.keys)


def test_what_mixes_places_is_not_told():
    def mixing(x):
        x = x.mT.flip(1).cumsum(-1).mT
        return (x @ x.mT).softmax(-1) @ x

    (found,) = weights_of(Windows(mixing), torch.randn(2, 3, 4, 6))
    assert found.places is None


def test_queries_that_are_no_places_are_not_told():
    asks = torch.randn(12, 4, 3)
    (found,) = weights_of(Windows(lambda x: (asks @ x.mT).softmax(-1) @ x), torch.randn(2, 3, 4, 6))
    assert found.places.queries is None
    assert found.places.keys.shape == (12, 4)


def test_a_text_and_a_summarised_map_have_no_places():
    class Text(nn.Module):
        def forward(self, x):
            return F.scaled_dot_product_attention(x, x, x)

    assert weights_of(Text(), torch.randn(2, 5, 4))[0].places is None
    short = weights_of(SWINS["timm"](), torch.randn(1, 3, 32, 48), Keep(longest=8))
    assert short[0].places is None


def test_places_are_those_of_the_heads_and_queries_kept():
    keep = Keep(heads=[1], queries=[3, 0])
    found = weights_of(SWINS["timm"](), torch.randn(1, 3, 32, 48), keep)[1]
    assert found.values.shape == (6, 1, 2, 16)
    by_hand = windows_of(8, 12, 4, 2)
    torch.testing.assert_close(found.places.keys[:, 0], by_hand)
    torch.testing.assert_close(found.places.queries[:, 0], by_hand[:, [3, 0]])

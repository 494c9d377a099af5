"""Layouts: every layout equals a hand-permuted NCHW computation; what tells them apart."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import regard
from regard.errors import RegardError
from regard.surgery.layouts import check_layout, dims_of

# Layout → axes that take the tensor to [B, C, *space], with two axes of space for what has one.
TO_MAP = {
    "NCL": (0, 1, 2),
    "NLC": (0, 2, 1),
    "LNC": (1, 2, 0),
    "NCHW": (0, 1, 2, 3),
    "NHWC": (0, 3, 1, 2),
    "NCDHW": (0, 1, 2, 3, 4),
    "NDHWC": (0, 4, 1, 2, 3),
}
SIZES = {"N": 2, "C": 8, "L": 7, "D": 3, "H": 5, "W": 4}


def sized(layout: str) -> torch.Tensor:
    return torch.randn([SIZES[axis] for axis in layout])


def back(axes: tuple[int, ...]) -> list[int]:
    return [axes.index(k) for k in range(len(axes))]


@pytest.mark.parametrize("layout", TO_MAP)
@pytest.mark.parametrize("mechanism", ["se", "eca", "cbam"])
def test_maps_equal_a_hand_permuted_computation(mechanism, layout, disturbed):
    model, x = nn.Sequential(nn.Identity()), sized(layout)
    handle = disturbed(regard.plug(model, mechanism, "0", example=x, layout=layout))
    axes = TO_MAP[layout]
    expected = handle.mechanisms()["0"](x.permute(axes).contiguous()).permute(back(axes))
    torch.testing.assert_close(model(x), expected)
    assert (model(x) - x).abs().max() > 1e-3


@pytest.mark.parametrize("layout", TO_MAP)
def test_tokens_equal_a_hand_permuted_computation(layout, disturbed):
    model, x = nn.Sequential(nn.Identity()), sized(layout)
    handle = disturbed(regard.plug(model, "multihead", "0", example=x, layout=layout, heads=2))
    axes = TO_MAP[layout]
    tokens = x.permute(axes).reshape(2, 8, -1).transpose(1, 2)
    attended = handle.mechanisms()["0"](tokens).transpose(1, 2)
    expected = attended.reshape(x.permute(axes).shape).permute(back(axes))
    torch.testing.assert_close(model(x), expected)
    assert (model(x) - x).abs().max() > 1e-3


@pytest.mark.parametrize("layout", ["NLC", "LNC", "NCL"])
@pytest.mark.parametrize("mechanism", ["se", "multihead"])
def test_a_mask_follows_the_layout(mechanism, layout, disturbed):
    class Host(nn.Module):
        def __init__(self):
            super().__init__()
            self.site = nn.Identity()

        def forward(self, x, attention_mask=None):
            return self.site(x)

    model, x = Host(), sized(layout)
    options = {"heads": 2} if mechanism == "multihead" else {}
    handle = disturbed(
        regard.plug(
            model, mechanism, "site", example=x, layout=layout, mask="attention_mask", **options
        )
    )
    keep = torch.arange(7) < torch.tensor([[7], [4]])
    axes = TO_MAP[layout]
    alone = handle.mechanisms()["site"]
    shape = (0, 1, 2) if mechanism == "se" else (0, 2, 1)
    expected = alone(x.permute(axes).permute(shape), mask=keep).permute(back(shape))
    torch.testing.assert_close(model(x, keep), expected.permute(back(axes)))


def layouts_of(model: nn.Module, x: object, **options: object) -> dict[str, str]:
    return {site.name: site.layout for site in regard.sites(model, x, **options)}


class Patches(nn.Module):
    """NCHW, then NHWC, then NLC, then NCL: names say what each site should be."""

    def __init__(self, width: int):
        super().__init__()
        self.nchw_conv = nn.Conv2d(3, width, 2, 2)
        self.nchw_act = nn.ReLU()
        self.nhwc_norm = nn.LayerNorm(width)
        self.nhwc_act = nn.GELU()
        self.nhwc_linear = nn.Linear(width, width)
        self.nlc_norm = nn.LayerNorm(width)
        self.nlc_drop = nn.Dropout()
        self.ncl_conv = nn.Conv1d(width, width, 3, padding=1)
        self.ncl_act = nn.Tanh()

    def forward(self, x):
        x = self.nchw_act(self.nchw_conv(x))
        x = self.nhwc_linear(self.nhwc_act(self.nhwc_norm(x.permute(0, 2, 3, 1))))
        x = self.nlc_drop(self.nlc_norm(x.flatten(1, 2)))
        return self.ncl_act(self.ncl_conv(x.transpose(1, 2)))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_mixed_layouts_are_told_at_any_size(batch, width, height, across):
    """Also where width, height and batch coincide: the modules around tell, not the numbers."""
    model, x = Patches(width), torch.randn(batch, 3, 2 * height, 2 * across)
    told = layouts_of(model, x, at="*")
    assert told == {name: name.split("_")[0].upper() for name in told}
    both = batch == height * across > 1  # batch and length of tokens cannot be told apart
    assert len(told) == (7 if both else 9)


class Inception(nn.Module):
    """A concatenation whose width no layer has, at a size that a layer does have as its width."""

    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 12, 1)

        def forward(self, x):
            return torch.cat([self.one(x), self.two(x)], 1)

    def __init__(self):
        super().__init__()
        self.mixed = self.Mixed()
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(20, 12)

    def forward(self, x):
        return self.head(self.pool(self.mixed(x)).mean((2, 3)))


@pytest.mark.parametrize("size", [8, 12, 20, 9])
def test_a_concatenation_is_channels_first_at_every_size(size):
    told = layouts_of(Inception(), torch.randn(2, 3, size, size), at="mixed")
    assert told == {"mixed": "NCHW"}


class WithFunctions(nn.Module):
    """The site's tensor meets no module of known type: only widths can tell."""

    class Doubled(nn.Module):
        def forward(self, x):
            return 2 * x

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 6, 1), nn.Linear(6, 6)
        self.first, self.last = self.Doubled(), self.Doubled()

    def forward(self, x):
        x = torch.relu(self.first(torch.relu(self.conv(x))))
        x = torch.relu(self.last(torch.relu(x).movedim(1, -1)))
        return self.fc(torch.relu(x))


def test_widths_tell_where_no_module_does():
    told = layouts_of(WithFunctions(), torch.randn(2, 3, 9, 8), at=WithFunctions.Doubled)
    assert told == {"first": "NCHW", "last": "NHWC"}


def test_a_square_tells_where_widths_do_not():
    told = layouts_of(WithFunctions(), torch.randn(2, 3, 6, 6), at="conv")
    assert told == {"conv": "NCHW"}
    refused = regard.sites(WithFunctions(), torch.randn(2, 3, 6, 6), at="first").refused
    assert "the channels could be either axis; say layout='NCHW' or" in refused["first"]


class ClipLike(nn.Module):
    """Blocks run length first; what is before and after them runs batch first."""

    def __init__(self, layers=1):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.before = nn.LayerNorm(8)
        self.blocks = nn.Sequential(*[nn.TransformerEncoderLayer(8, 2, 16) for _ in range(layers)])
        self.after = nn.LayerNorm(8)
        self.embed = nn.Embedding(20, 8)

    def forward(self, image, ids=None):
        x = self.embed(ids) if image is None else self.patch(image).flatten(2).transpose(1, 2)
        return self.after(self.blocks(self.before(x).transpose(0, 1)).transpose(0, 1))


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("text", [False, True])
def test_a_host_that_turns_batch_and_length_around(batch, text):
    model, ids = ClipLike().eval(), torch.randint(20, (batch, 9))
    x = {"image": None, "ids": ids} if text else torch.randn(batch, 3, 16, 12)
    told = layouts_of(model, x, at=["before", "blocks.0", "blocks.0.norm1", "after"])
    assert told == {"before": "NLC", "blocks.0": "LNC", "blocks.0.norm1": "LNC", "after": "NLC"}
    if text:
        assert layouts_of(model, x, at="embed") == {"embed": "NLC"}


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
@pytest.mark.parametrize("batch_first", [False, True])
def test_recurrent_layers(kind, batch_first):
    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(20, 8)
            self.rnn = kind(8, 4, bidirectional=True, batch_first=batch_first)
            self.fc = nn.Linear(8, 3)

        def forward(self, ids):
            return self.fc(self.rnn(self.embed(ids))[0])

    ids = torch.randint(20, (2, 6) if batch_first else (6, 2))
    told = layouts_of(Tagger(), ids)
    wanted = "NLC" if batch_first else "LNC"
    assert told == {"": wanted, "embed": wanted, "rnn": wanted, "fc": wanted}


def test_batch_and_length_of_the_same_size_are_told_or_asked_for():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(8, 8)

        def forward(self, x):
            return self.fc(x)

    refused = regard.sites(Plain(), torch.randn(4, 4, 8), at="fc").refused
    assert "batch and length cannot be told apart; use an example with" in refused["fc"]
    assert layouts_of(Plain(), torch.randn(4, 5, 8), at="fc") == {"fc": "NLC"}
    told = layouts_of(nn.TransformerEncoderLayer(8, 2), torch.randn(4, 4, 8), at="linear1")
    assert told == {"linear1": "LNC"}


def test_windows_of_as_many_tokens_as_the_batch_are_not_taken_for_length_first():
    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch, self.fc = nn.Conv2d(3, 8, 1), nn.Linear(8, 8)

        def forward(self, x):
            x = self.patch(x).unflatten(2, (-1, 2)).unflatten(-1, (-1, 2))
            return self.fc(x.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(0, 2))

    assert layouts_of(Windows(), torch.randn(2, 3, 8, 8), at="fc") == {"fc": "NLC"}
    refused = regard.sites(Windows(), torch.randn(4, 3, 8, 8), at="fc").refused
    assert "[64, 4, 8], and batch and length cannot be told apart" in refused["fc"]


def test_attention_weights_are_no_map():
    class Weights(nn.Module):
        def __init__(self):
            super().__init__()
            self.query, self.drop = nn.Linear(8, 8), nn.Dropout()

        def forward(self, x):
            q = self.query(x).unflatten(-1, (2, 4)).transpose(1, 2)
            return self.drop((q @ q.transpose(-1, -2)).softmax(-1))

    refused = regard.sites(Weights(), torch.randn(3, 6, 8), at="drop").refused
    assert "[3, 2, 6, 6], and the channels could be either axis" in refused["drop"]


@pytest.mark.parametrize(
    ("norm", "shape", "layout"),
    [
        (nn.LayerNorm([8, 5, 6]), (2, 8, 5, 6), "NCHW"),
        (nn.LayerNorm(6), (2, 4, 5, 6), "NHWC"),
        (nn.GroupNorm(2, 8), (2, 8, 5), "NCL"),
        (nn.BatchNorm1d(8), (2, 8, 5), "NCL"),
        (nn.InstanceNorm3d(8), (2, 8, 3, 4, 5), "NCDHW"),
        (nn.RMSNorm(6), (2, 3, 4, 5, 6), "NDHWC"),
    ],
)
def test_normalisations(norm, shape, layout):
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[len(shape) - 3](shape[1], shape[1], 1)
    model = nn.Sequential(norm, conv) if layout.startswith("NC") else nn.Sequential(norm)
    assert layouts_of(model, torch.randn(shape), at="0") == {"0": layout}


def test_one_map_without_a_batch_is_refused():
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU())
    found = regard.sites(model, torch.randn(3, 6, 6))
    assert not found
    assert "the example has no batch axis: '0' was given a single map" in found.refused["1"]


def test_a_layout_given_by_the_caller_is_checked():
    assert check_layout("NHWC", "x", 4) == "NHWC"
    with pytest.raises(RegardError, match="layout is 'NLC'; site 'x' has 4 axes: NCHW or NHWC"):
        check_layout("NLC", "x", 4)
    with pytest.raises(RegardError, match="layout is 'nchw'"):
        check_layout("nchw", "x", 4)
    with pytest.raises(RegardError, match="attention needs 3 to 5"):
        check_layout("NC", "x", 2)


@pytest.mark.parametrize(
    ("module", "dims"),
    [
        (nn.Conv1d(1, 1, 1), 1),
        (nn.ConvTranspose3d(1, 1, 1), 3),
        (nn.BatchNorm2d(1), 2),
        (nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 1, 1)), 2),
        (nn.SyncBatchNorm(1), 0),
        (nn.Linear(1, 1), 0),
    ],
)
def test_dimensions_told_by_the_type(module, dims):
    assert dims_of(module) == dims

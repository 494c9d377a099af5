import pytest
import torch

from regard.networks.sequences import (
    LayerSetting,
    RecurrentEncoderDecoder,
    Transformer,
)

RECURRENT = {
    f"{wiring} {attention} {cell}": {"attention": attention, "wiring": wiring, "cell": cell}
    for wiring in ("bahdanau", "luong")
    for attention, cell in (
        ("none", "gru"),
        ("dot", "gru"),
        ("general", "lstm"),
        ("additive", "gru"),
        ("location", "gru"),
        ("local_p", "lstm"),
    )
}
RECURRENT |= {
    "luong general gru, not fed": {"attention": "general", "wiring": "luong", "feeding": False},
    "luong location gru, not fed": {"attention": "location", "wiring": "luong", "feeding": False},
    "luong local_p gru, not fed": {"attention": "local_p", "wiring": "luong", "feeding": False},
    "two layers": {"layers": 2, "cell": "lstm"},
}
TRANSFORMERS = {
    "paper": {},
    "pre": {"norm": "pre"},
    "none": {"positions": "none"},
    "learned": {"positions": "learned"},
    "rotary": {"positions": "rotary"},
    "alibi": {"positions": "alibi"},
    "t5_bias": {"positions": "t5_bias", "options": {"score": "dot", "bias": True}},
    "additive": {"options": {"score": "additive"}},
    "grouped_query rotary": {
        "attention": "grouped_query",
        "positions": "rotary",
        "options": {"groups": 1},
    },
    "talking_heads": {"attention": "talking_heads"},
    "linear": {"attention": "linear"},
    "self": {"attention": "self"},
    "sigmoid": {"attention": "sigmoid", "options": {"offset": -2.0}},
    "aft_full": {"attention": "aft_full", "options": {"length": 24}},
    "aft_conv": {"attention": "aft_conv", "options": {"kernel": 3}},
    "dot": {"attention": "dot"},
}


def fill(module, seed=0, spread=0.4):
    """Normal numbers in all weights, in float64 and eval mode."""
    numbers = torch.Generator().manual_seed(seed)
    module = module.double().eval()
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(spread * torch.randn(tensor.shape, generator=numbers, dtype=torch.float64))
    return module


@pytest.fixture(scope="session")
def filled():
    return fill


@pytest.fixture(scope="session")
def ids():
    """Draws ids of real tokens, 3 to 9."""

    def draw(*shape, seed=1):
        return torch.randint(3, 10, shape, generator=torch.Generator().manual_seed(seed))

    return draw


@pytest.fixture(scope="session")
def padded(ids):
    """Sequences of the given lengths, one by one and as a batch."""

    def draw(*lengths, seed=1):
        alone = [ids(1, n, seed=seed + i) for i, n in enumerate(lengths)]
        batch = torch.zeros(len(lengths), max(lengths), dtype=torch.long)
        for row, one in zip(batch, alone, strict=True):
            row[: one.shape[1]] = one[0]
        return alone, batch

    return draw


@pytest.fixture(scope="session")
def count():
    def total(module):
        return sum(p.numel() for p in module.parameters())

    return total


def build(name):
    """A small encoder-decoder of the lists above, over ten tokens."""
    if name in TRANSFORMERS:
        setting = LayerSetting(**{"dim": 8, "heads": 2, "hidden": 12, **TRANSFORMERS[name]})
        return fill(Transformer(10, 10, setting, 2, length=24))
    given = {"attention": "additive", "bidirectional": True, **RECURRENT[name]}
    return fill(RecurrentEncoderDecoder(10, 10, 6, 8, encoder_hidden=4, window=2, **given))


@pytest.fixture(params=[*TRANSFORMERS, *RECURRENT])
def model(request):
    """Each encoder-decoder of the lists above."""
    return build(request.param)

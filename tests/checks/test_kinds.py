"""The contract judges what takes two maps, pools, adds positions or replaces a layer, too."""

import pytest
import torch
from torch import nn

from regard.checks import RULES, check
from regard.errors import RegardError
from regard.ops import expect


class Sized(nn.Module):
    """What the four below share: one vector of weights of a checked size."""

    def __init__(self, size, *, device=None, dtype=None):
        super().__init__()
        if type(size) is not int or size < 1:
            raise RegardError(f"size is {size!r}; it must be at least 1")
        self.size = size
        self.weight = nn.Parameter(torch.ones(size, device=device, dtype=dtype))


class Fusion(Sized):
    """Two maps, mixed by a gate."""

    def forward(self, x, y):
        x = expect(x, 1, self.size, "fusion")
        gate = torch.sigmoid(self.weight[:, None, None] * (x + y).mean((2, 3), keepdim=True))
        return gate * x + (1 - gate) * y


class Pool(Sized):
    """One vector out of a sequence, by attention of a learned query."""

    def forward(self, x, mask=None):
        x = expect(x, 2, self.size, "pool")
        logits = (x * (self.weight / self.size)).sum(-1)
        if mask is None:
            return (logits.softmax(1).unsqueeze(-1) * x).sum(1)
        logits = logits.masked_fill(~mask, torch.finfo(x.dtype).min)
        return ((logits.softmax(1) * mask).unsqueeze(-1) * x).sum(1)


class Position(Sized):
    """Adds waves to tokens."""

    def forward(self, x):
        x = expect(x, 2, self.size, "position")
        place = torch.arange(x.shape[1], device=x.device)[:, None]
        return x + torch.sin(place * self.weight)


class Own(Sized):
    """A kernel made from the middle of the map, instead of a convolution's fixed one."""

    def forward(self, x):
        x = expect(x, 1, self.size, "own")
        return x * torch.tanh(self.weight[:, None, None] * x.mean(1, keepdim=True))


KINDS = {Fusion: "maps", Pool: "pooled", Position: "position", Own: "convolution"}


@pytest.mark.parametrize("kind", KINDS, ids=KINDS.get)
def test_a_sound_mechanism_of_every_kind_keeps_every_rule(kind, make_card):
    card = make_card(kind, takes=KINDS[kind], start="none", parameters="C")
    report = check(card)
    assert report.passed, report.table()
    said = [o.rule for o in report.outcomes if o.status == "passed"]
    assert set(said) >= {"shape", "gradcheck", "compile", "export", "fx", "copy", "precision"}
    assert ("sources" in said) == (KINDS[kind] in ("maps", "pooled"))
    assert len(said) < len(RULES)


def test_a_second_map_that_is_not_read_is_caught(caught):
    class Broken(Fusion):
        def forward(self, x, y):
            return super().forward(x, x)

    caught("sources", Broken, "nothing depends on the second map", takes="maps", parameters="C")


def test_an_output_of_the_tokens_where_one_vector_is_due_is_caught(caught):
    class Broken(Pool):
        def forward(self, x, mask=None):
            return x * self.weight

    caught("shape", Broken, "is due", takes="pooled", parameters="C")

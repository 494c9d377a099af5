"""The contract judges what takes two maps, pools, codes places or replaces a layer, too."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from regard.checks import RULES, check
from regard.checks.specimen import calls, specimen
from regard.errors import RegardError
from regard.ops import expect


class Sized(nn.Module):
    """What all below share: one vector of weights of a checked size."""

    def __init__(self, size, *, device=None, dtype=None):
        super().__init__()
        if type(size) is not int or size < 1:
            raise RegardError(f"size is {size!r}; it must be at least 1")
        self.size = size
        self.weight = nn.Parameter(torch.ones(size, device=device, dtype=dtype))


class Fusion(Sized):
    """Two maps, mixed by a gate; the second may have another resolution."""

    def forward(self, x, y):
        x, y = (expect(m, 1, self.size, "fusion", axes=4) for m in (x, y))
        gate = torch.sigmoid(self.weight[:, None, None] * y.mean((2, 3), keepdim=True))
        return gate * x


class Pool(Sized):
    """One vector out of a sequence, by attention of a learned query."""

    def forward(self, x, mask=None):
        x = expect(x, 2, self.size, "pool")
        logits = (x * (self.weight / self.size)).sum(-1)
        if mask is None:
            return (logits.softmax(1).unsqueeze(-1) * x).sum(1)
        logits = logits.masked_fill(~mask, torch.finfo(x.dtype).min)
        return ((logits.softmax(1) * mask).unsqueeze(-1) * x).sum(1)


def places(x, offset=0):
    return torch.arange(x.shape[-2], device=x.device)[:, None] + offset


class Added(Sized):
    """Adds waves to tokens."""

    def forward(self, x, offset=0):
        x = expect(x, -1, self.size, "added")
        return x + torch.sin(places(x, offset) * self.weight)


class Turned(Sized):
    """Turns halves of queries and keys against each other."""

    def __init__(self, size, *, device=None, dtype=None):
        super().__init__(size, device=device, dtype=dtype)
        if size % 2:
            raise RegardError(f"size is {size}; it must be even")

    def forward(self, x, offset=0):
        x = expect(x, -1, self.size, "turned")
        a, b = x.chunk(2, -1)
        angle = (places(x, offset) * self.weight[::2]).to(x.dtype)
        cos, sin = angle.cos(), angle.sin()
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


class Biased(Sized):
    """A slope a head, times the distance."""

    def forward(self, query, key=None):
        query = expect(query, 1, self.size, "biased")
        key = query if key is None else key
        last = key.shape[-2] - query.shape[-2]
        apart = (places(query, last) - places(key).T).abs()
        return (self.weight[:, None, None] * apart).to(query.dtype)


class Fixed(Biased):
    """The same without weights of its own."""

    def __init__(self, size, *, device=None, dtype=None):
        super().__init__(size, device=device, dtype=dtype)
        self.weight = None

    def forward(self, query, key=None):
        query = expect(query, 1, self.size, "fixed")
        key = query if key is None else key
        last = key.shape[-2] - query.shape[-2]
        apart = (places(query, last) - places(key).T).abs()
        slopes = torch.arange(1, self.size + 1, device=query.device)
        return (slopes[:, None, None] * apart / self.size).to(query.dtype)


class Own(Sized):
    """A kernel made from the middle of the map, instead of a convolution's fixed one."""

    def forward(self, x):
        x = expect(x, 1, self.size, "own")
        return x * torch.tanh(self.weight[:, None, None] * x.mean(1, keepdim=True))


KINDS = {
    Fusion: {"takes": "maps"},
    Pool: {"takes": "pooled"},
    Added: {"takes": "position", "position": "add"},
    Turned: {"takes": "position", "position": "rotate"},
    Biased: {"takes": "position", "position": "bias"},
    Fixed: {"takes": "position", "position": "bias", "parameters": "0"},
    Own: {"takes": "convolution"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_mechanism_of_every_kind_keeps_every_rule(kind, make_card):
    card = make_card(kind, **{"start": "none", "parameters": "C", **KINDS[kind]})
    report = check(card)
    assert report.passed, report.table()
    said = [o.rule for o in report.outcomes if o.status == "passed"]
    assert set(said) >= {"shape", "gradcheck", "compile", "export", "fx", "copy", "precision"}
    assert ("sources" in said) == (card.takes in ("maps", "pooled"))
    assert ("position" in said) == (card.takes == "position")
    assert ("permutation" in said) == (card.takes == "pooled")
    assert len(said) < len(RULES)


def test_a_second_map_that_is_not_read_is_caught(caught):
    class Broken(Fusion):
        def forward(self, x, y):
            return super().forward(x, x)

    caught("sources", Broken, "nothing depends on the second map", takes="maps", parameters="C")


def test_a_second_map_that_may_be_coarser_is_checked_as_such_and_as_large(make_card):
    facts = {"start": "none", "parameters": "C", "takes": "maps"}
    sizes = [(x.shape[2], y.shape[2]) for x, y in calls(specimen(make_card(Fusion, **facts)))]
    assert (12, 6) in sizes
    assert (12, 12) in sizes

    class Same(Fusion):
        def forward(self, x, y):
            if x.shape != y.shape:
                raise RegardError("two maps of one size are needed")
            return super().forward(x, y)

    sizes = [(x.shape[2], y.shape[2]) for x, y in calls(specimen(make_card(Same, **facts)))]
    assert all(one == other for one, other in sizes)


def test_a_second_map_of_another_resolution_that_fails_far_inside_is_caught(caught):
    class Broken(Fusion):
        def forward(self, x, y):
            return super().forward(x + y, y)

    words = "a second map of another resolution: RuntimeError"
    caught("options", Broken, words, takes="maps", parameters="C")


def test_an_output_of_the_tokens_where_one_vector_is_due_is_caught(caught):
    class Broken(Pool):
        def forward(self, x, mask=None):
            return x * self.weight

    caught("shape", Broken, "is due", takes="pooled", parameters="C")


def test_a_pool_that_counts_from_the_left_is_caught(caught):
    class Broken(Pool):
        def forward(self, x, mask=None):
            return super().forward(x + places(x), mask)

    caught("permutation", Broken, "another order", takes="pooled", parameters="C")


def caught_at(caught, words, kind):
    caught("position", kind, words, **{"parameters": "C", **KINDS[kind.__mro__[1]]})


def test_a_code_that_reads_the_tokens_is_caught(caught):
    class Broken(Added):
        def forward(self, x, offset=0):
            return super().forward(x * 1.5, offset)

    caught_at(caught, "what is added depends on the tokens", Broken)


def test_a_code_that_depends_on_the_length_is_caught(caught):
    class Broken(Added):
        def forward(self, x, offset=0):
            return x + torch.sin(places(x, offset) / x.shape[1] * self.weight)

    caught_at(caught, "depends on how many follow", Broken)


def test_one_code_for_all_places_is_caught(caught):
    class Broken(Added):
        def forward(self, x, offset=0):
            return x + self.weight

    caught_at(caught, "two places have one code", Broken)


def test_an_offset_that_is_not_read_is_caught(caught):
    class Broken(Added):
        def forward(self, x, offset=0):
            return super().forward(x)

    caught_at(caught, "with offset=3", Broken)


def test_a_rotation_that_stretches_is_caught(caught):
    class Broken(Turned):
        def forward(self, x, offset=0):
            return 2 * super().forward(x, offset)

    caught_at(caught, "changes the length", Broken)


def test_a_rotation_by_the_square_of_the_place_is_caught(caught):
    class Broken(Turned):
        def forward(self, x, offset=0):
            a, b = x.chunk(2, -1)
            angle = places(x, offset) ** 2 * self.weight[::2]
            cos, sin = angle.cos(), angle.sin()
            return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    caught_at(caught, "the same distance gives another logit", Broken)


def test_a_bias_of_the_place_of_the_key_is_caught(caught):
    class Broken(Biased):
        def forward(self, query, key=None):
            key = query if key is None else key
            slope = self.weight[:, None, None] * places(key).T
            return slope.expand(-1, query.shape[-2], -1) * 1

    caught_at(caught, "the same distance gives another logit", Broken)


def test_queries_counted_from_the_first_key_are_caught(caught):
    class Broken(Biased):
        def forward(self, query, key=None):
            key = query if key is None else key
            apart = (places(query) - places(key).T).abs()
            return self.weight[:, None, None] * apart

    caught_at(caught, "fewer queries are not the last of the keys", Broken)


def test_a_bias_that_is_a_view_of_the_weights_is_caught(caught):
    class Broken(Biased):
        def forward(self, query, key=None):
            key = query if key is None else key
            return self.weight[:, None, None].expand(-1, query.shape[-2], key.shape[-2])

    facts = {"parameters": "C", **KINDS[Biased]}
    caught("writable", Broken, "a view of a leaf", **facts)


def test_a_buffer_given_out_is_caught(caught, gate):
    class Broken(gate):
        def __init__(self, channels, **given):
            super().__init__(channels, **given)
            self.register_buffer("seen", torch.zeros(2, channels, 7, 5))

        def forward(self, x, mask=None):
            if torch.is_grad_enabled() or self.training:
                return super().forward(x, mask)
            self.seen.copy_(super().forward(x, mask))
            return self.seen

    caught("writable", Broken, "shares memory with the module")


def test_a_layer_of_another_size_than_its_input_is_caught(caught):
    class Broken(Own):
        def forward(self, x):
            return F.max_pool2d(super().forward(x), 2, ceil_mode=True)

    caught("shape", Broken, "is due", takes="convolution", parameters="C")

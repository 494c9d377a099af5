"""Every mechanism of the catalogue that has a map shows it."""

import pytest
import torch

from regard import card, names
from regard.checks.specimen import specimen
from regard.maps import Keep, record

# No weight of one position for another, and no gate, is ever made in these.
MAPLESS = {
    "aft_conv", "aft_full", "aft_local", "aft_simple", "linear", "performer", "mixed_pooling",
    "alibi", "learned", "rotary", "sinusoidal", "t5_bias",
}  # fmt: skip
# Of the gates and weights of these, kinds that an outsider could miss.
FORMS = {
    "se": {"channel gate"},
    "cbam": {"channel gate", "spatial gate"},
    "coordinate": {"coordinate gate"},
    "sk": {"branch weights"},
    "split_attention": {"branch weights"},
    "spatial_transformer": {"theta", "sampling points", "warped output"},
    "spatial_transformer_projective": {"sampling points", "warped output"},
    "deformable": {"sampling points", "warped output", "branch weights"},
    "multihead": {"query-key weights"},
    "criss_cross": {"query-key weights"},
    "external": {"query-key weights"},
}


@pytest.mark.parametrize("name", names())
@torch.no_grad()
def test_a_mechanism_shows_its_maps_and_gives_the_same(name):
    subject = specimen(card(name))
    module, inputs = subject.build(), subject.inputs()
    plain = module(*inputs)
    with record(module, Keep()) as found:
        seen = module(*inputs)
    torch.testing.assert_close(seen, plain, rtol=0, atol=1e-6)
    assert (not found) == (name in MAPLESS)
    assert {m.form for m in found} >= FORMS.get(name, set())


@torch.no_grad()
def test_the_shares_of_a_selective_kernel_sum_to_one_over_its_branches():
    subject = specimen(card("sk"))
    module, inputs = subject.build(), subject.inputs()
    with record(module, Keep()) as found:
        module(*inputs)
    total = sum(m.values for m in found)
    torch.testing.assert_close(total, torch.ones_like(total))

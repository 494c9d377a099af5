"""What goes wrong only inside a network is caught by plugging it into one."""

import pytest
import torch
from torch import nn

from regard.checks import check


def test_a_sound_gate_is_plugged(make_card, gate):
    (outcome,) = check(make_card(gate), ["plug"]).outcomes
    assert outcome.status == "passed", outcome.why


def test_a_sound_attention_without_an_identity_start_is_refused_first(make_card, attention):
    (outcome,) = check(make_card(attention), ["plug"]).outcomes
    assert outcome.status == "passed", outcome.why


def test_a_card_that_promises_an_identity_start(caught, attention):
    caught("plug", attention, "the output in eval mode moves", start="residual")


def test_an_identity_start_that_float32_does_not_have(caught, gate):
    class Broken(gate):
        def gate(self, x, mask):
            gate = super().gate(x, mask)
            return gate * 1.01 if x.dtype == torch.float32 else gate

    caught("plug", Broken, "the output in eval mode moves")


def test_an_identity_start_in_eval_mode_alone(caught, gate):
    class Broken(gate):
        def gate(self, x, mask):
            gate = super().gate(x, mask)
            return gate * 0.9 if self.training else gate

    caught("plug", Broken, "the output in training mode moves")


def test_a_gate_that_takes_the_gradient_from_the_host(caught, gate):
    class Broken(gate):
        def forward(self, x, mask=None):
            return super().forward(x.detach(), mask)

    caught("plug", Broken, "no gradient reaches the host's stem.weight")


def test_a_second_source_that_no_site_gives(caught, attention):
    class Cross(attention):
        def forward(self, query, key, mask=None):
            return super().forward(query, key, mask=mask)

    caught("plug", Cross, "", start="none")
    caught("plug", Cross, "'key'", start="none")


def test_a_waiver_of_plugging_is_asked_for_its_truth(make_card, gate, attention):
    class Cross(attention):
        def forward(self, query, key, mask=None):
            return super().forward(query, key, mask=mask)

    waived = {"plug": "two sources"}
    (outcome,) = check(make_card(Cross, waives=waived), ["plug"]).outcomes
    assert (outcome.status, outcome.why) == ("waived", "two sources")
    (outcome,) = check(make_card(gate, waives=waived), ["plug"]).outcomes
    assert outcome.status == "failed"
    assert "the card waives it (two sources), but it passes" in outcome.why


@pytest.mark.parametrize("rule", ["plug"])
def test_what_a_site_cannot_give_is_not_plugged(make_card, rule):
    card = make_card(nn.Identity, takes="maps", start="none")
    (outcome,) = check(card, [rule]).outcomes
    assert (outcome.status, outcome.why) == ("not applicable", "it takes maps")

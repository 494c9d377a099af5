import pytest
import torch
from torch import nn

from regard import RegardError, see
from regard.networks.sequences import RecurrentEncoderDecoder, Transformer
from regard.networks.sequences.layers import LayerSetting
from regard.seeing import alignment


@pytest.fixture
def pair():
    torch.manual_seed(0)
    return torch.randint(3, 9, (2, 6)), torch.randint(3, 9, (2, 4))


def test_steps_of_a_recurrent_decoder_are_put_together(pair):
    model = RecurrentEncoderDecoder(9, 9, 8, 8).eval()
    with torch.no_grad(), see(model) as maps:
        model(*pair)
    found = alignment(maps)
    assert found.shape[0] == 2
    assert found.shape[2] == 6
    torch.testing.assert_close(found.sum(-1), torch.ones(found.shape[:2]))


def test_the_last_attention_between_two_sentences_with_heads_averaged(pair):
    model = Transformer(9, 9, LayerSetting(dim=8, heads=2, hidden=16), layers=2).eval()
    with torch.no_grad(), see(model) as maps:
        model(*pair)
    found = alignment(maps)
    last = [m for m in maps if m.values.shape[-1] == 6 and m.values.shape[-2] != 6][-1]
    torch.testing.assert_close(found, last.values.mean(1))
    assert torch.equal(alignment(maps, last.site), found)


def test_where_none_is_told_apart_it_says_which_there_are():
    attention, x = nn.MultiheadAttention(4, 2, batch_first=True), torch.randn(1, 3, 4)
    with see(model := nn.ModuleDict({"own": attention})) as maps:
        model["own"](x, x, x)
    with pytest.raises(RegardError, match="among 'own'"):
        alignment(maps)

import itertools

import pytest
import torch

from regard.errors import RegardError
from regard.networks.sequences import (
    LayerSetting,
    RecurrentEncoderDecoder,
    Transformer,
    beam_search,
    greedy,
)


@pytest.fixture(params=["gru", "transformer"])
def tiny(request, filled):
    """Five tokens: padding, the two marks, and two words."""
    if request.param == "gru":
        return filled(RecurrentEncoderDecoder(5, 5, 4, 4), spread=1.5)
    setting = LayerSetting(dim=4, heads=2, hidden=8)
    return filled(Transformer(5, 5, setting, 1), spread=1.5)


SOURCE = torch.tensor([[3, 4, 3], [4, 0, 0], [3, 3, 4]])


def all_targets(most):
    """Every target of two words: ended before the most tokens, or cut there."""
    for length in range(most):
        for words in itertools.product((3, 4), repeat=length):
            yield words, True
    for words in itertools.product((3, 4), repeat=most):
        yield words, False


def log_probability(model, source, words, ended):
    """Of one target, from the logits of a plain forward over allowed tokens only."""
    whole = [*words, *([2] if ended else [])]
    logits = model(source.unsqueeze(0), torch.tensor([[1, *whole[:-1]]]))[0].detach()
    chances = logits[:, 2:].log_softmax(-1)  # neither padding nor the mark of the beginning
    return sum(float(row[token - 2]) for row, token in zip(chances, whole, strict=True))


def best(model, source, most, alpha):
    """All targets by score, the best first."""
    scored = []
    for words, ended in all_targets(most):
        total = log_probability(model, source, words, ended)
        scored.append((total / ((5 + len(words) + ended) / 6) ** alpha, words, ended))
    return sorted(scored, reverse=True)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
def test_a_beam_as_wide_as_there_are_targets_finds_the_best_of_all(tiny, alpha):
    found = beam_search(tiny, SOURCE, beams=31, most=4, alpha=alpha)
    for source, hypotheses in zip(SOURCE, found, strict=True):
        wanted = best(tiny, source, 4, alpha)
        assert len(hypotheses) == len(wanted) == 31
        for h, (score, words, ended) in zip(hypotheses, wanted, strict=True):
            assert (h.tokens, h.ended) == (words, ended)
            assert h.score == pytest.approx(score, rel=1e-9)


def by_hand(model, source, beams, most):
    """Plain beam search over lists, one source at a time: (log probability, words, ended)."""
    live, ended = [(0.0, ())], []
    for length in range(1, most + 1):
        grown = []
        for _, words in live:
            for token in (2, 3, 4):
                kept = words if token == 2 else (*words, token)
                whole = log_probability(model, source, kept, token == 2)
                grown.append((whole, kept, token == 2))
        grown = sorted(grown, reverse=True)[: beams - len(ended)]
        ended += [h for h in grown if h[2] or length == most]
        live = [(total, words) for total, words, done in grown if not done]
    return ended


@pytest.mark.parametrize("beams", [2, 3, 5])
def test_it_is_the_plain_beam_search(tiny, beams):
    found = beam_search(tiny, SOURCE, beams=beams, most=5, alpha=0.0)
    for source, hypotheses in zip(SOURCE, found, strict=True):
        wanted = sorted(by_hand(tiny, source, beams, 5), reverse=True)
        assert [(h.tokens, h.ended) for h in hypotheses] == [h[1:] for h in wanted]


def test_a_beam_of_one_is_greedy_search(model, padded):
    _, source = padded(5, 1, 3, 2, seed=3)
    wide = beam_search(model, source, beams=1, most=9)
    for (one,), other in zip(wide, greedy(model, source, most=9), strict=True):
        assert (one.tokens, one.ended) == (other.tokens, other.ended)
        assert one.score == pytest.approx(other.score, rel=1e-9)


def test_greedy_takes_the_likeliest_token_again_and_again(tiny):
    for source, found in zip(SOURCE, greedy(tiny, SOURCE, most=6), strict=True):
        words = []
        while len(words) < 6 and 2 not in words:
            target = torch.tensor([[1, *words]])
            words.append(2 + int(tiny(source.unsqueeze(0), target)[0, -1, 2:].argmax()))
        assert found.ended == (2 in words)
        assert list(found.tokens) == words[: len(words) - found.ended]


def test_padding_and_company_never_move_what_is_found(model, padded):
    sources, source = padded(5, 1, 3, seed=3)
    together, wide = (
        greedy(model, source, most=5),
        beam_search(model, source, beams=2, most=5),
    )
    for i, one in enumerate(sources):
        assert together[i].tokens == greedy(model, one, most=5)[0].tokens
        (alone,) = beam_search(model, one, beams=2, most=5)
        assert [h.tokens for h in wide[i]] == [h.tokens for h in alone]


def test_a_target_has_at_most_fifty_tokens_more_than_its_source(filled):
    model = filled(RecurrentEncoderDecoder(5, 5, 4, 4))
    model.decoder.output.bias.data[2] = -1e9  # the mark of the end never comes
    found = greedy(model, SOURCE)
    assert [len(h.tokens) for h in found] == [53, 51, 53]
    assert not any(h.ended for h in found)
    wide = beam_search(model, SOURCE, beams=2)
    assert [[len(h.tokens) for h in hypotheses] for hypotheses in wide] == [
        [53] * 2,
        [51] * 2,
        [53] * 2,
    ]


def test_a_target_is_never_longer_than_learned_positions_know(filled):
    setting = LayerSetting(dim=4, heads=2, hidden=8, positions="learned")
    model = filled(Transformer(5, 5, setting, 1, tied=False, length=6))
    model.output.weight.data[2] = 0
    assert all(len(h.tokens) <= 6 for h in greedy(model, SOURCE, most=9))
    assert max(len(h.tokens) for h in greedy(model, SOURCE)) == 6


def test_dropout_is_off_meanwhile_and_then_as_before(ids):
    torch.manual_seed(0)
    model = RecurrentEncoderDecoder(10, 10, 8, 8, dropout=0.5)
    model.encoder.eval()
    first, second = (greedy(model, ids(3, 4), most=6) for _ in range(2))
    assert first == second
    assert model.training
    assert model.decoder.dropout.training
    assert not model.encoder.training


@pytest.mark.parametrize("given", [{"beams": 0}, {"beams": 2.5}, {"most": 0}])
def test_numbers_that_do_not_work_are_an_error(tiny, given):
    name = next(iter(given))
    with pytest.raises(RegardError, match=f"{name} is {given[name]}; it must be a whole number"):
        beam_search(tiny, SOURCE, **given)

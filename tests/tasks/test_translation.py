from dataclasses import replace

import numpy as np
import pytest
import torch

from regard.data.text import Translation
from regard.data.text.pairs import Pairs
from regard.data.text.ragged import Strings
from regard.networks.sequences import EncoderDecoder, Source
from regard.tasks import Reading, TranslationTask
from regard.tasks.opening import codec_of


class Copying(EncoderDecoder):
    """Writes its source, token by token, and then the end; of texts above a length nothing."""

    def __init__(self, size: int, most: int = 1000) -> None:
        super().__init__((size, size), pad=0, begin=2, end=3)
        self.most = most
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def encode(self, source, mask=None):
        return Source(source.unsqueeze(-1).float(), self._mask(source, mask))

    def decode(self, target, source):
        ids, lengths = source.values[..., 0].long(), source.mask.sum(1)
        steps = range(target.shape[1])
        return torch.stack([self._logits(ids, lengths, step) for step in steps], 1)

    def start(self, source):
        return _State(source, 0)

    def step(self, tokens, state):
        ids, lengths = state.source.values[..., 0].long(), state.source.mask.sum(1)
        return self._logits(ids, lengths, state.place), _State(state.source, state.place + 1)

    def _logits(self, ids, lengths, step):
        token = ids[:, min(step, ids.shape[1] - 1)].clone()
        token[(step >= lengths) | (lengths > self.most)] = self.end
        return 9.0 * torch.nn.functional.one_hot(token, self.target_vocabulary).float()


class _State:
    def __init__(self, source, place):
        self.source, self.place = source, place

    def select(self, rows):
        return _State(self.source.select(rows), self.place)


LINES = [f"a{' b' * n} c" for n in range(1, 13)]


@pytest.fixture
def copies():
    """Pairs whose target is the source."""
    part = Pairs(Strings.of(LINES), Strings.of(LINES))
    corpus = Translation(part, part, "copies")
    return TranslationTask(corpus, codec_of(corpus, "copies", Reading(), 8), "exact")


def test_the_target_goes_in_from_its_beginning_and_comes_out_to_its_end(copies):
    (source, target), after = copies.batch(np.array([0, 2]))
    assert source.shape == (2, 5)
    assert target[:, 0].tolist() == [2, 2]
    assert after[0].tolist()[:4] == [*target[0, 1:4].tolist(), 3]
    assert after[0].tolist()[4:] == [-100, -100]
    assert after[1, -1] == 3


def test_what_is_written_is_compared_with_the_reference(copies):
    found = copies.evaluate(Copying(len(copies.codec.source)), "test")
    assert found.measures == {"exact": 1.0, "accuracy": 1.0}
    some = copies.evaluate(Copying(len(copies.codec.source), most=8), "test")
    assert some.measures["exact"] == pytest.approx(6 / 12)


def test_measures_by_length_show_where_a_network_fails(copies):
    found = copies.evaluate(Copying(len(copies.codec.source), most=8), "test").parts["by_length"]
    assert sum(bucket["sentences"] for bucket in found) == 12
    shares = {bucket["length"]: bucket["exact"] for bucket in found}
    assert list(shares) == sorted(shares)
    assert shares[min(shares)] == 1
    assert shares[max(shares)] == 0


def test_bleu_and_chrf_are_computed_where_one_of_them_is_compared(copies):
    found = replace(copies, measure="bleu").evaluate(Copying(len(copies.codec.source)), "test")
    assert found.measures["bleu"] == found.measures["chrf"] == pytest.approx(1)
    assert set(found.parts["signatures"]) == {"bleu", "chrf"}
    assert "tok:13a" in found.parts["signatures"]["bleu"]


def test_chinese_targets_are_cut_by_character_for_bleu(copies):
    part = Pairs(Strings.of(["aa", "bb"]), Strings.of(["我是我。", "你是你。"]))
    corpus = Translation(part, part, "chinese")
    task = TranslationTask(corpus, codec_of(corpus, "x", Reading(unit="characters"), 8), "bleu")
    _, signatures = task._measured(np.array([list(part.target)] * 2, dtype=object))
    assert "tok:zh" in signatures["bleu"]


def test_one_line_out_for_one_line_in(copies):
    model = Copying(len(copies.codec.source))
    lines = ["a b c", "", "  ", "c b b b a", "b"]
    plain = [" ".join(line.split()) for line in lines]
    for beams in (1, 2):
        assert copies.codec.predict(model, lines, beams=beams) == plain

"""What every encoder-decoder keeps, whatever its layers and its attention."""

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


def test_padding_never_moves_a_result(model, padded):
    sources, source = padded(5, 1, 3)
    targets, target = padded(2, 6, 4, seed=7)
    got = model(source, target)
    assert got.shape == (3, 6, 10)
    for i, (one, other) in enumerate(zip(sources, targets, strict=True)):
        torch.testing.assert_close(got[i : i + 1, : other.shape[1]], model(one, other))


def test_a_mask_given_is_the_mask_that_ids_tell(model, padded):
    _, source = padded(5, 1, 3)
    _, target = padded(4, 4, 4, seed=7)
    wanted = model(source, target)
    other = source.masked_fill(source == 0, 9)  # padding by another name
    torch.testing.assert_close(model(other, target, mask=source != 0), wanted)
    assert not torch.allclose(model(other, target), wanted)


def test_a_later_token_never_changes_an_earlier_output(model, ids):
    source, target = ids(2, 4), ids(2, 6, seed=2)
    wanted = model(source, target)
    for now in range(1, 6):
        later = torch.cat([target[:, :now], ids(2, 6 - now, seed=30 + now)], 1)
        torch.testing.assert_close(model(source, later)[:, :now], wanted[:, :now])
    assert not torch.allclose(model(source, later)[:, -1], wanted[:, -1])


def test_step_by_step_it_gives_the_logits_of_the_whole(model, padded, ids):
    _, source = padded(5, 1, 3)
    target = ids(3, 6, seed=2)
    state, found = model.start(model.encode(source)), []
    for column in target.unbind(1):
        logits, state = model.step(column, state)
        found.append(logits)
    torch.testing.assert_close(torch.stack(found, 1), model(source, target))


def test_rows_of_a_state_can_be_chosen(model, padded, ids):
    _, source = padded(5, 1, 3)
    target, rows = ids(3, 4, seed=2), torch.tensor([2, 0, 0, 1])
    state = model.start(model.encode(source))
    for column in target[:, :3].unbind(1):
        _, state = model.step(column, state)
    got, _ = model.step(target[rows, 3], state.select(rows))
    torch.testing.assert_close(got, model(source, target)[rows, 3])


def test_cached_decoding_gives_the_tokens_of_uncached_decoding(model, padded):
    _, source = padded(5, 1, 3)
    once, again = (greedy(model, source, most=8, cached=cached) for cached in (True, False))
    assert [h.tokens for h in once] == [h.tokens for h in again]
    wide, over = (
        beam_search(model, source, beams=3, most=6, cached=cached) for cached in (True, False)
    )
    assert [[h.tokens for h in found] for found in wide] == [
        [h.tokens for h in found] for found in over
    ]


def test_every_weight_receives_a_gradient(model, padded):
    _, source = padded(5, 2, 3)
    _, target = padded(6, 6, 6, seed=7)
    model.zero_grad()
    model(source, target).square().sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        if not name.endswith("attention.key.bias"):  # a softmax does not see what all keys share
            assert weight.grad.any(), name


def test_the_weights_can_be_had_and_are_not_kept(model, padded):
    _, source = padded(5, 1, 3)
    _, target = padded(4, 4, 4, seed=7)
    before = model(source, target)
    for weights in model.attention_weights(source, target).values():
        assert weights.shape[0] == 3
        assert weights.shape[-2:] in ((4, 5), (4, 4), (5, 5))
    assert torch.equal(model(source, target), before)


@pytest.mark.parametrize("kind", [Transformer, RecurrentEncoderDecoder])
@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        (torch.full((2, 3), 10), torch.ones(2, 2).long(), "source ids go from 10 to 10; the voc"),
        (torch.ones(2, 3).long(), torch.full((2, 2), -1), "target ids go from -1 to -1"),
        (torch.ones(2, 3), torch.ones(2, 2).long(), r"source ids are whole numbers \[B, N\]"),
        (torch.ones(0, 3).long(), torch.ones(0, 2).long(), "at least one sequence"),
        (torch.ones(2, 0).long(), torch.ones(2, 2).long(), "at least one token"),
        (torch.ones(3).long(), torch.ones(2, 2).long(), r"got torch.int64 \[3\]"),
        (torch.ones(3, 2).long(), torch.ones(2, 2).long(), "3 sources and 2 targets"),
    ],
)
def test_bad_ids_are_an_error(kind, source, target, words):
    given = (LayerSetting(dim=8, heads=2, hidden=8), 1) if kind is Transformer else (4, 4)
    with pytest.raises(RegardError, match=words):
        kind(10, 10, *given)(source, target)


def test_bad_masks_and_marks_are_an_error(ids):
    model = RecurrentEncoderDecoder(10, 10, 4, 4)
    mask = torch.tensor([[True, False, True]])
    with pytest.raises(RegardError, match="padding stands before a real token"):
        model(ids(1, 3), ids(1, 2), mask)
    with pytest.raises(RegardError, match=r"boolean \(True = real\) with the shape of the ids"):
        model(ids(1, 3), ids(1, 2), mask.long())
    with pytest.raises(RegardError, match="end is 1, as pad or begin is"):
        RecurrentEncoderDecoder(10, 10, end=1)
    with pytest.raises(RegardError, match="pad is 10; it must be an id of the vocabulary, 0 to 9"):
        RecurrentEncoderDecoder(10, 10, pad=10)


def test_a_source_without_any_token_is_taken_as_nothing(model):
    """Such as an empty line: finite numbers, and nothing of them from the other samples."""
    source = torch.tensor([[4, 5, 6], [0, 0, 0]])
    target = torch.tensor([[1, 4], [1, 4]])
    got = model(source, target)
    assert got.isfinite().all()
    torch.testing.assert_close(got[:1], model(source[:1], target[:1]))
    torch.testing.assert_close(got[1:], model(source[1:], target[1:]))

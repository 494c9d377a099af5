import pytest
import torch

import regard
from regard.errors import RegardError
from regard.mechanisms._past import Past

STEPPING = ("multihead", "grouped_query", "multi_query", "talking_heads", "linear", "differential")


def in_steps(module, x, given):
    past = Past()
    rows = [module(x[:, i : i + 1], past=past, **given) for i in range(x.shape[1])]
    return torch.cat(rows, 1)


@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize("name", STEPPING)
def test_one_token_after_the_other_finds_what_causal_attention_finds(name, turn, moved, drawn):
    module, x = moved(regard.get(name, 16, heads=2)), drawn(2, 6, 16)
    given = {"rotate": regard.get("rotary", 8)} if turn else {}
    torch.testing.assert_close(in_steps(module, x, given), module(x, causal=True, **given))


@pytest.mark.parametrize("name", STEPPING)
def test_without_gradients_there_is_room_and_the_same_is_found(name, moved, drawn):
    module, x = moved(regard.get(name, 16, heads=2)), drawn(2, 9, 16)
    with torch.no_grad():
        torch.testing.assert_close(in_steps(module, x, {}), module(x, causal=True))


def test_gradients_go_through_all_steps(moved, drawn):
    module, x = moved(regard.get("multihead", 8, heads=2)), drawn(2, 5, 8)
    found = []
    for run in (lambda y: in_steps(module, y, {}), lambda y: module(y, causal=True)):
        y = x.clone().requires_grad_()
        found.append(torch.autograd.grad(run(y).square().sum(), (y, *module.parameters())))
    torch.testing.assert_close(*found)


def test_a_chosen_past_and_its_origin_do_not_write_into_each_other(moved, drawn):
    module, x = moved(regard.get("multihead", 8, heads=2)), drawn(2, 6, 8)
    rows, past = torch.tensor([0, 1]), Past()
    with torch.no_grad():
        for i in range(4):
            module(x[:, i : i + 1], past=past)
        other = past.select(rows)
        module(drawn(2, 1, 8, seed=5), past=other)
        got = module(x[:, 4:5], past=past)
        torch.testing.assert_close(got, module(x[:, :5], causal=True)[:, 4:])


def test_several_tokens_at_once_go_on_from_the_past(moved, drawn):
    module, x, past = moved(regard.get("multihead", 8, heads=2)), drawn(2, 6, 8), Past()
    parts = [module(part, past=past, causal=True) for part in x.split([2, 1, 3], 1)]
    torch.testing.assert_close(torch.cat(parts, 1), module(x, causal=True))
    assert past.length == 6


def test_a_fixed_past_is_projected_once_and_stays(moved, drawn):
    module, x, source = moved(regard.get("multihead", 8, heads=2)), drawn(2, 3, 8), drawn(2, 5, 8)
    past = Past(fixed=True)
    torch.testing.assert_close(module(x, source, past=past), module(x, source))
    wanted = module(x, source)
    torch.testing.assert_close(module(x, torch.zeros_like(source), past=past), wanted)
    assert past.length == 5


def test_rows_of_a_past_can_be_chosen(moved, drawn):
    module, x, past = moved(regard.get("multihead", 8, heads=2)), drawn(3, 4, 8), Past()
    module(x[:, :3], past=past, causal=True)
    rows = torch.tensor([2, 0, 2])
    got = module(x[rows, 3:], past=past.select(rows))
    torch.testing.assert_close(got, module(x, causal=True)[rows, 3:])
    assert past.length == 3


def test_fewer_heads_of_keys_keep_less(moved, drawn):
    kept = {}
    for name in ("multihead", "grouped_query", "multi_query"):
        past = Past()
        moved(regard.get(name, 64, heads=8))(drawn(1, 5, 64), past=past)
        kept[name] = past.kept[0].numel()
    assert kept == {"multihead": 320, "grouped_query": 80, "multi_query": 40}


def test_turned_queries_and_keys_are_blind_to_where_a_text_begins(moved, drawn):
    module, x = moved(regard.get("multihead", 8, heads=2)), drawn(1, 5, 8)
    rotate = regard.get("rotary", 4)
    late = Past()
    module(drawn(1, 3, 8, seed=4), rotate=rotate, past=late)
    seen = torch.tensor([[False] * 3 + [True] * 5])
    got = module(x, mask=seen, rotate=rotate, past=late)
    torch.testing.assert_close(got, module(x, rotate=rotate))
    order = [1, 0, 2, 3, 4]
    assert not torch.allclose(module(x[:, order], rotate=rotate), got[:, order])


@pytest.mark.parametrize("name", ["alibi", "t5_bias"])
def test_a_bias_is_added_to_the_logits(name, moved, drawn):
    module, x = moved(regard.get("multihead", 8, heads=2)), drawn(2, 5, 8)
    bias = moved(regard.get(name, 2))(x.new_zeros(1, 2, 5, 1))
    q, k, v = (
        (x @ layer.weight.T).view(2, 5, 2, 4).transpose(1, 2)
        for layer in (module.query, module.key, module.value)
    )
    weights = (q @ k.transpose(2, 3) / 2 + bias).softmax(-1)
    wanted = (weights @ v).transpose(1, 2).flatten(2) @ module.output.weight.T
    torch.testing.assert_close(module(x, bias=bias), wanted)


def test_attention_that_knows_places_in_the_whole_sequence_keeps_no_past(moved, drawn):
    module = moved(regard.get("aft_full", 8, length=12))
    with pytest.raises(RegardError, match="aft_full keeps no past"):
        module(drawn(1, 2, 8), past=Past())

import pytest
import torch
from torch import nn

from regard.errors import RegardError
from regard.networks.sequences import LayerSetting, Transformer, TransformerEncoder

BIG = LayerSetting(dim=1024, heads=16, hidden=4096, dropout=0.3, device="meta")
BASE = LayerSetting(device="meta")
SMALL = {"dim": 8, "heads": 2, "hidden": 12, "dropout": 0.0}


def body(model, count):
    """Parameters without the vectors of tokens."""
    return count(model) - count(model.encoder.embedding)


@pytest.mark.parametrize(("setting", "wanted"), [(BASE, 44_101_632), (BIG, 176_283_648)])
def test_the_papers_sizes_without_embeddings(setting, wanted, count):
    assert body(Transformer(37_000, None, setting), count) == wanted


@pytest.mark.parametrize(
    ("change", "millions"),
    [
        ({"layers": 2}, 36),
        ({"layers": 4}, 50),
        ({"layers": 8}, 80),
        ({"dim": 256}, 28),
        ({"dim": 1024}, 168),
        ({"hidden": 1024}, 53),
        ({"hidden": 4096}, 90),
    ],
)
def test_the_sizes_of_table_3_c_grow_as_published(change, millions, count):
    """The paper rounds to millions, and its vocabulary is known to be about 37,000 tokens."""
    sizes = {name: value for name, value in change.items() if name != "layers"}
    setting = LayerSetting(device="meta", **sizes)
    other = Transformer(37_000, None, setting, change.get("layers", 6))
    base = Transformer(37_000, None, BASE)
    rounding = 1e6 + 4e3 * abs(other.encoder.dim - 512)  # of both; and what the vocabulary adds
    assert count(other) - count(base) == pytest.approx((millions - 65) * 1e6, abs=rounding)


def test_tokens_share_one_table_unless_there_are_two_vocabularies(count):
    one, two = Transformer(100, None, BASE, 1), Transformer(100, 90, BASE, 1)
    assert count(two) - count(one) == 90 * 512
    assert count(Transformer(100, None, BASE, 1, tied=False)) - count(one) == 100 * 512
    assert "decoder.embedding.weight" not in one.state_dict()


def test_pre_norm_has_a_norm_after_each_stack(count):
    pre = LayerSetting(norm="pre", device="meta")
    assert count(Transformer(100, None, pre)) - count(Transformer(100, None, BASE)) == 4 * 512


def copied(theirs, ours):
    """Weights of PyTorch's layers into ours."""
    for their, our in zip(theirs, ours, strict=True):
        pairs = [(their.self_attn, our.attention)]
        norms = [(their.norm1, our.around_attention.norm)]
        if hasattr(our, "cross"):
            pairs.append((their.multihead_attn, our.cross))
            norms.append((their.norm2, our.around_cross.norm))
            norms.append((their.norm3, our.around_feedforward.norm))
        else:
            norms.append((their.norm2, our.around_feedforward.norm))
        for a, b in pairs:
            for i, layer in enumerate((b.query, b.key, b.value)):
                layer.weight.data = a.in_proj_weight.data.chunk(3)[i]
                layer.bias.data = a.in_proj_bias.data.chunk(3)[i]
            b.output.load_state_dict(a.out_proj.state_dict())
        for a, b in (
            *norms,
            (their.linear1, our.feedforward[0]),
            (their.linear2, our.feedforward[2]),
        ):
            b.load_state_dict(a.state_dict())


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_the_stacks_are_those_of_pytorch_with_the_same_weights(norm, activation, filled, padded):
    setting = LayerSetting(**SMALL, norm=norm, activation=activation, options={"bias": True})
    ours = filled(Transformer(10, 10, setting, 2))
    layer = {
        "d_model": 8, "nhead": 2, "dim_feedforward": 12, "dropout": 0.0, "batch_first": True,
        "activation": activation, "norm_first": norm == "pre",
    }  # fmt: skip
    last = nn.LayerNorm(8) if norm == "pre" else None
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(**layer), 2, last, False)
    last = nn.LayerNorm(8) if norm == "pre" else None
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(**layer), 2, last)
    encoder, decoder = filled(encoder, 3), filled(decoder, 4)
    copied(encoder.layers, ours.encoder.layers)
    copied(decoder.layers, ours.decoder.layers)
    if norm == "pre":
        ours.encoder.norm.load_state_dict(encoder.norm.state_dict())
        ours.decoder.norm.load_state_dict(decoder.norm.state_dict())
    _, source = padded(5, 2, 3)
    _, target = padded(4, 4, 4, seed=9)
    x = ours.encoder.positions.add(ours.encoder.embedding(source))
    y = ours.decoder.positions.add(ours.embedding(target))
    future = nn.Transformer.generate_square_subsequent_mask(4, dtype=torch.float64)
    memory = encoder(x, src_key_padding_mask=source == 0)
    found = decoder(y, memory, future, memory_key_padding_mask=source == 0)
    torch.testing.assert_close(ours(source, target), found @ ours.embedding.weight.T)


def test_vectors_of_tokens_are_multiplied_by_the_root_of_their_width():
    torch.manual_seed(0)
    model = TransformerEncoder(4000, LayerSetting(dim=64, heads=1, hidden=1), 1)
    ids = torch.arange(1, 4000).unsqueeze(0)
    vectors = model.embedding(ids)
    torch.testing.assert_close(vectors, 8 * model.embedding.weight[1:].unsqueeze(0))
    assert vectors.std().item() == pytest.approx(1, abs=0.01)
    assert not model.embedding.weight[0].any()


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary", "alibi", "t5_bias"])
def test_without_positions_alone_another_order_is_followed(positions, filled, ids):
    x, order = ids(2, 6), torch.tensor([3, 0, 5, 1, 4, 2])
    for name in ("none", positions):
        model = filled(TransformerEncoder(10, LayerSetting(**SMALL, positions=name), 2))
        same = torch.allclose(model(x[:, order]), model(x)[:, order])
        assert same == (name == "none")


@pytest.mark.parametrize("positions", ["rotary", "alibi", "t5_bias"])
def test_relative_positions_are_blind_to_where_a_text_begins(positions, filled, ids):
    model = filled(TransformerEncoder(10, LayerSetting(**SMALL, positions=positions), 2))
    x = ids(2, 5)
    shifted = torch.cat([ids(2, 3, seed=8), x], 1)
    mask = torch.tensor([[False] * 3 + [True] * 5]).expand(2, 8)
    torch.testing.assert_close(model(shifted, mask)[:, 3:], model(x))


def test_a_table_of_t5_is_shared_by_all_layers_of_a_stack(count):
    given = [LayerSetting(positions=p, device="meta") for p in ("none", "t5_bias")]
    none, bias = (count(Transformer(100, None, setting)) for setting in given)
    assert bias - none == 2 * 32 * 8


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"attention": "xca"}, "xca cannot be causal, as a decoder's must; these can: additive"),
        ({"attention": "sigmoid"}, "sigmoid gives a token something else where more tokens follow"),
        ({"attention": "se"}, "se takes map; a layer wants attention over tokens: additive"),
        ({"attention": "mulithead"}, "nearest: multihead"),
        ({"attention": "linear", "positions": "alibi"}, "these do: multihead. none, sinusoidal"),
        ({"attention": "self", "positions": "rotary"}, "takes no rotary positions; these do: "),
        ({"positions": "sinus"}, "no positions are called 'sinus'; nearest: sin"),
        ({"positions": "se"}, "se is no position code; these are: none, alibi, learned"),
        ({"norm": "before"}, "norm is 'before'; it can be 'post' or 'pre'"),
        ({"activation": "tanh"}, "activation is 'tanh'; it can be relu or gelu"),
        ({"heads": 3}, "3 heads do not divide a width of 8"),
        ({"hidden": 0}, "hidden is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"options": {"hedas": 2}}, "multihead has no option 'hedas'"),
    ],
)
def test_what_cannot_be_built_is_an_error(given, words):
    with pytest.raises(RegardError, match=words):
        Transformer(10, None, LayerSetting(**{**SMALL, **given}), 1)


def test_attention_over_a_source_must_take_two(ids):
    with pytest.raises(RegardError, match="external_multihead takes one source only"):
        Transformer(10, None, LayerSetting(**SMALL), 1, cross="external_multihead")
    with pytest.raises(RegardError, match="layers is 0"):
        Transformer(10, None, LayerSetting(**SMALL), 0)
    model = Transformer(10, None, LayerSetting(**SMALL, positions="learned"), 1, length=4)
    with pytest.raises(RegardError, match="build it with length=5 or more"):
        model(ids(1, 3), ids(1, 5))


def test_dropout_acts_in_training_only(ids):
    torch.manual_seed(0)
    model = Transformer(10, None, LayerSetting(**{**SMALL, "dropout": 0.5}), 1)
    source, target = ids(2, 4), ids(2, 3)
    assert not torch.equal(model(source, target), model(source, target))
    model.eval()
    assert torch.equal(model(source, target), model(source, target))


def test_weights_of_a_transformer_are_named_by_their_attention(filled, ids):
    model = filled(Transformer(10, None, LayerSetting(**SMALL), 1))
    found = model.attention_weights(ids(2, 4), ids(2, 3))
    assert {name: tuple(weights.shape) for name, weights in found.items()} == {
        "encoder.layers.0.attention": (2, 2, 4, 4),
        "decoder.layers.0.attention": (2, 2, 3, 3),
        "decoder.layers.0.cross": (2, 2, 3, 4),
    }
    assert not found["decoder.layers.0.attention"].triu(1).any()
    torch.testing.assert_close(
        found["decoder.layers.0.cross"].sum(-1), torch.ones(2, 2, 3).double()
    )

import pytest
import torch
from torch import nn

import regard
from regard.errors import RegardError
from regard.networks.sequences import (
    ENCODERS,
    AttentiveEncoder,
    BagOfWords,
    Classifier,
    ConvolutionalEncoder,
    RecurrentEncoder,
    Tagger,
    build_encoder,
)
from regard.networks.sequences.pooling import AttentionPooling

ATTENTIONS = sorted(set(regard.names(takes="tokens")) - {"cross"})
OPTIONS = {
    "aft_full": {"length": 16},
    "aft_local": {"length": 16, "window": 3},
    "linformer": {"length": 16, "rank": 4},
    "nystrom": {"landmarks": 3},
    "sparse_topk": {"k": 3},
}
POSITIONS = ("none", "sinusoidal", "learned", "rotary", "alibi", "t5_bias")
CASES = [
    *((name, {}) for name in ENCODERS),
    *(("transformer", {"positions": p}) for p in POSITIONS),
    *(
        ("transformer", {"attention": name, "options": OPTIONS.get(name, {})})
        for name in ATTENTIONS
    ),
    ("bigru_attention", {"attention": "additive"}),
    ("bigru_attention", {"attention": "sparse_topk", "options": {"k": 2}}),
]


def case_name(case):
    name, given = case
    return " ".join([name, *(str(v) for k, v in given.items() if k != "options")])


@pytest.fixture(params=CASES, ids=case_name)
def encoder(request, filled):
    name, given = request.param
    return filled(build_encoder(name, 10, 8, heads=2, **given))


@pytest.fixture(scope="session")
def close():
    def compare(got, wanted):
        torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9)

    return compare


def test_padding_never_moves_a_label_of_a_token(encoder, padded, filled, close):
    model = filled(Tagger(encoder, 4))
    alone, batch = padded(5, 1, 9, 3)
    got = model(batch)
    assert got.shape == (4, 9, 4)
    for i, one in enumerate(alone):
        close(got[i : i + 1, : one.shape[1]], model(one))
    close(model(batch, batch != 0), got)


@pytest.mark.parametrize("pooling", ["mean", "max", "attention"])
def test_padding_never_moves_a_label_of_a_sequence(encoder, pooling, padded, filled, close):
    model = filled(Classifier(encoder, 3, pooling=pooling))
    alone, batch = padded(5, 1, 9, 3)
    got = model(batch)
    assert got.shape == (4, 3)
    for i, one in enumerate(alone):
        close(got[i : i + 1], model(one))
    hidden = torch.where(batch == 0, 9, batch)  # padding by another name
    close(model(hidden, mask=batch != 0), got)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_sequence_without_any_token_gives_numbers(name, filled):
    model = filled(Classifier(build_encoder(name, 10, 8, heads=2), 3, pooling="attention"))
    ids = torch.tensor([[4, 5], [0, 0]])
    assert model(ids).isfinite().all()
    torch.testing.assert_close(model(ids)[:1], model(ids[:1]))
    torch.testing.assert_close(model(ids)[1:], model(ids[1:]))


def test_a_bag_knows_no_order_and_others_do(ids, filled):
    x, order = ids(2, 6), torch.tensor([5, 0, 3, 1, 4, 2])
    for name in ENCODERS:
        model = filled(Classifier(build_encoder(name, 10, 8, heads=2), 3))
        assert torch.allclose(model(x[:, order]), model(x)) == (name == "bag")


def test_the_sizes_of_all(count):
    given = {"vocabulary": 100, "dim": 8, "layers": 2}
    table, gru = 800, 3 * (8 * 4 + 4 * 4 + 2 * 4)
    attention = 4 * 64 + 2 * 8
    wanted = {
        "bag": table,
        "convolution": table + 2 * (3 * 64 + 8),
        "bigru": table + 4 * gru,
        "bilstm": table + 4 * gru // 3 * 4,
        "bigru_attention": table + 4 * gru + attention,
        "transformer": table + 2 * (attention + 2 * 8 * 32 + 32 + 8 + 2 * 8) + 2 * 8,
    }
    for name, number in wanted.items():
        assert count(build_encoder(name, heads=2, **given)) == number
        assert count(Tagger(build_encoder(name, heads=2, **given), 5)) == number + 45


def test_a_recurrent_network_reads_as_pytorchs_does(filled, padded):
    encoder = filled(RecurrentEncoder(10, 6, 4, 2, cell="lstm"))
    alone, batch = padded(5, 2)
    for i, one in enumerate(alone):
        wanted, (h, _) = encoder.rnn(encoder.embedding.weight[one])
        values, states = encoder.read(batch)
        torch.testing.assert_close(values[i, : one.shape[1]], wanted[0])
        torch.testing.assert_close(states[0][:, i], h[:, 0])
        assert not values[i, one.shape[1] :].any()


def test_one_layer_with_three_kernels_is_kims_network_inside_a_text(filled, ids):
    """Its filters of 3, 4 and 5 and the maximum over time, zeros put around a text by hand."""
    encoder = filled(ConvolutionalEncoder(10, 6, 9, 1, kernels=(3, 4, 5)))
    model = filled(Classifier(encoder, 2, pooling="max"))
    x = ids(1, 7)
    vectors = encoder.embedding.weight[x[0]]
    maxima = []
    for conv, kernel in zip(encoder.layers[0], (3, 4, 5), strict=True):
        before, after = (kernel - 1) // 2, kernel // 2
        whole = torch.cat([vectors.new_zeros(before, 6), vectors, vectors.new_zeros(after, 6)])
        windows = [whole[i : i + kernel] for i in range(7)]
        found = [(conv.weight * w.T.unsqueeze(0)).sum((1, 2)) + conv.bias for w in windows]
        maxima.append(torch.stack(found).relu().max(0).values)
    wanted = model.output(torch.cat(maxima))
    torch.testing.assert_close(model(x)[0], wanted)


def test_attention_pooling_is_a_weighed_mean(filled):
    pooling = filled(AttentionPooling(4, 6))
    x = torch.randn(2, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])
    for row, n, got in zip(x, (5, 2), pooling(x, mask), strict=True):
        energy = torch.tanh(row[:n] @ pooling.hidden.weight.T + pooling.hidden.bias)
        weights = (energy @ pooling.energy.weight[0]).softmax(0)
        torch.testing.assert_close(got, weights @ row[:n])


def test_weights_can_be_had_for_pictures(filled, padded):
    _, batch = padded(5, 3)
    tagger = filled(Tagger(build_encoder("transformer", 10, 8, heads=2), 4))
    found = tagger.attention_weights(batch)
    assert [tuple(w.shape) for w in found.values()] == [(2, 2, 5, 5)] * 2
    assert not found["encoder.layers.0.attention"][1, :, :, 3:].any()
    model = filled(
        Classifier(build_encoder("bigru_attention", 10, 8, heads=2), 4, pooling="attention")
    )
    found = model.attention_weights(batch)
    assert set(found) == {"encoder.attention", "pooling"}
    torch.testing.assert_close(found["pooling"].sum(-1), torch.ones(2, 1).double())
    assert not found["pooling"][1, 0, 3:].any()


def test_a_mechanism_can_be_plugged_in_that_takes_the_mask(filled, padded):
    model = filled(Tagger(build_encoder("bigru", 10, 8), 4))
    _, batch = padded(5, 2)
    before = model(batch)
    regard.plug(model, "multihead", at="encoder", example=batch, mask="mask", heads=2)
    torch.testing.assert_close(model(batch, mask=batch != 0), before)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: build_encoder("bigur", 10), "no encoder is called 'bigur'; nearest: bigru"),
        (lambda: build_encoder("bigru", 10, 7), "dim is 7; bigru reads both ways"),
        (lambda: build_encoder("convolution", 10, layers=0), "layers is 0"),
        (lambda: ConvolutionalEncoder(10, 4, 8, kernels=(3, 4, 5)), "hidden is 8 and there are 3"),
        (lambda: ConvolutionalEncoder(10, 4, 8, kernels=(0,)), "a kernel is 0"),
        (lambda: Tagger(BagOfWords(10, 4), 0), "classes is 0"),
        (lambda: Classifier(BagOfWords(10, 4), 2, pooling="avg"), "no pooling is called 'avg'"),
        (lambda: BagOfWords(0, 4), "vocabulary is 0"),
        (lambda: AttentiveEncoder(BagOfWords(10, 8), "se"), "se takes map"),
        (lambda: Tagger(BagOfWords(10, 4), 3)(torch.tensor([[10]])), "ids go from 10 to 10"),
        (lambda: Classifier(BagOfWords(10, 4), 3)(torch.ones(1, 0).long()), "at least one token"),
    ],
)
def test_what_does_not_work_is_an_error(build, words):
    with pytest.raises(RegardError, match=words):
        build()


@pytest.mark.parametrize("name", ENCODERS)
def test_device_and_dtype_are_those_asked_for(name):
    encoder = build_encoder(name, 10, 8, heads=2, device="meta", dtype=torch.bfloat16)
    for model in (Tagger(encoder, 3), Classifier(encoder, 3, pooling="attention")):
        assert {(p.device.type, p.dtype) for p in model.parameters()} == {("meta", torch.bfloat16)}


def test_padding_has_a_vector_of_zeros_that_stays(padded):
    model = Tagger(build_encoder("convolution", 10, 8), 3)
    model(padded(5, 2)[1]).sum().backward()
    assert not model.encoder.embedding.weight[0].any()
    assert not model.encoder.embedding.weight.grad[0].any()
    assert isinstance(model.encoder.embedding, nn.Module)

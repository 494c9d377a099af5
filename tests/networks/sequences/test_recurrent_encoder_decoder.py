import torch

from regard.networks.sequences import RecurrentEncoderDecoder


def gru(inputs, hidden):
    return 3 * (inputs * hidden + hidden**2 + 2 * hidden)


def lstm(inputs, hidden):
    return 4 * (inputs * hidden + hidden**2 + 2 * hidden)


def test_the_size_of_bahdanaus_network(count):
    """Appendix A.2: n = 1000, m = 620, l = 500, and the alignment's 3,001,000."""
    model = RecurrentEncoderDecoder(30_000, 30_000, 620, 1000, maxout=500, device="meta")
    assert count(model.decoder.aligner) == 3_001_000
    wanted = (
        2 * 30_000 * 620
        + 2 * gru(620, 1000)
        + (1000 * 1000 + 1000)  # the first state
        + 3_001_000
        + gru(620 + 2000, 1000)
        + (1000 + 620 + 2000 + 1) * 1000  # two numbers for each of 500 maxima
        + (500 + 1) * 30_000
    )
    assert count(model) == wanted


def test_the_size_of_luongs_network(count):
    """Section 4: four layers of 1000, vectors of 1000, 50,000 words a side, input feeding."""
    model = RecurrentEncoderDecoder(
        50_000, 50_000, 1000, 1000, 4, cell="lstm", wiring="luong", attention="general",
        bidirectional=False, device="meta",
    )  # fmt: skip
    wanted = (
        2 * 50_000 * 1000
        + 4 * lstm(1000, 1000)
        + lstm(2000, 1000)
        + 3 * lstm(1000, 1000)
        + 1000**2  # W_a
        + 2 * 1000**2  # W_c
        + 1000 * 50_000
    )
    assert count(model) == wanted


def test_bahdanaus_word_is_made_before_the_step(filled, ids):
    """One step by the equations: from the state before, the word before and what it found."""
    model = filled(RecurrentEncoderDecoder(10, 10, 6, 8, encoder_hidden=4))
    source, decoder = ids(1, 5), model.decoder
    encoded = model.encode(source)
    backwards = encoded.values[0, 0, 4:]  # the last state of the direction that read backwards
    s = torch.tanh(model.bridge[0].weight @ backwards + model.bridge[0].bias)
    w, u, v = (weight[0] for weight in decoder.aligner.core.learned())
    energies = torch.tanh(s @ w + encoded.values[0] @ u) @ v
    c = energies.softmax(0) @ encoded.values[0]
    word = decoder.embedding.weight[1]
    t = decoder.readout.weight @ torch.cat([s, word, c]) + decoder.readout.bias
    wanted = decoder.output.weight @ t.view(-1, 2).max(1).values + decoder.output.bias
    got = model(source, torch.tensor([[1]]))[0, 0]
    torch.testing.assert_close(got, wanted)


def test_luongs_word_is_made_after_the_step_and_fed_into_the_next(filled, ids):
    model = filled(
        RecurrentEncoderDecoder(10, 10, 6, 8, wiring="luong", attention="dot", bidirectional=False)
    )
    source, decoder = ids(1, 5), model.decoder
    encoded = model.encode(source)
    hidden = encoded.values[:, -1:].transpose(0, 1)  # the decoder goes on where the encoder ended
    fed = torch.zeros(1, 1, 8).double()
    for token, got in zip((1, 7, 4), model(source, torch.tensor([[1, 7, 4]]))[0], strict=True):
        word = decoder.embedding.weight[token].view(1, 1, -1)
        h, hidden = decoder.rnn(torch.cat([word, fed], 2), hidden)
        c = (encoded.values[0] @ h[0, 0]).softmax(0) @ encoded.values[0]
        fed = torch.tanh(decoder.combine.weight @ torch.cat([c, h[0, 0]])).view(1, 1, -1)
        torch.testing.assert_close(got, decoder.output.weight @ fed[0, 0])


def test_fed_or_not_the_first_word_is_the_same_and_the_second_is_not(filled, ids):
    given = {"wiring": "luong", "attention": "general"}
    fed = filled(RecurrentEncoderDecoder(10, 10, 6, 8, **given))
    not_fed = filled(RecurrentEncoderDecoder(10, 10, 6, 8, feeding=False, **given))
    state = fed.state_dict()
    state["decoder.rnn.weight_ih_l0"] = state["decoder.rnn.weight_ih_l0"][:, :6]
    not_fed.load_state_dict(state)
    source, target = ids(2, 4), ids(2, 3, seed=2)
    one, other = fed(source, target), not_fed(source, target)
    torch.testing.assert_close(one[:, 0], other[:, 0])
    assert not torch.allclose(one[:, 1], other[:, 1])

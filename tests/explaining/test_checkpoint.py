import pytest
import torch

import regard
from regard.errors import RegardError
from regard.explaining.checkpoint import load_subject
from regard.explaining.numbers import numbers_of
from regard.ops import attend

ADDITIVE = "multihead(score=additive,bias=true)"


def test_the_numbers_are_those_of_the_first_layer(kept):
    """z by PyTorch from the matrices on the page alone, and the output, biases and all."""
    subject = load_subject(kept("tagging", "transformer(heads=4)", ADDITIVE))
    numbers = numbers_of(subject, "red cat runs")
    x = torch.tensor(numbers["inputs"]["on"]["keys"])
    w, b = ({k: torch.tensor(v) for k, v in numbers[n].items()} for n in ("weights", "biases"))
    q, k, v = (
        (x @ w[n] + b[n]).unflatten(-1, (4, -1)).transpose(0, 1)[None]
        for n in ("query", "key", "value")
    )
    learned = tuple(torch.tensor(numbers["scores"]["additive"][n]) for n in ("query", "key", "v"))
    z = attend(q, k, v, "additive", learned)[0].transpose(0, 1).flatten(1)
    expected = torch.tensor(numbers["torch"]["z"]["additive|all|on"])
    assert torch.allclose(z[0], expected, atol=1e-5)
    out = torch.tensor(numbers["torch"]["out"])
    assert torch.allclose(z @ w["output"] + b["output"], out, atol=1e-5)
    assert numbers["native"] == {"score": "additive", "scaled": False}


def test_a_translator_asks_from_its_decoder(kept):
    subject = load_subject(kept("translation", "transformer"))
    numbers = numbers_of(subject, "a b c", "b a")
    assert (len(numbers["keys"]), len(numbers["queries"])) == (3, 2)
    assert not numbers["plain"]
    html = regard.explain("a b c", on=kept("translation", "transformer")).html()
    assert "network of your own" in html
    assert "Tatoeba" not in html


@pytest.mark.parametrize(
    ("kind", "host", "mechanism", "said"),
    [
        ("tagging", "convolution", None, "no layer of a Transformer"),
        ("tagging", "transformer(positions=rotary)", None, "rotary positions"),
        ("tagging", "transformer", "linear", "another way than by multihead"),
        ("translation", "gru", None, "no layer of a Transformer"),
    ],
    ids=str,
)
def test_a_network_that_a_page_cannot_compute_is_refused(kept, kind, host, mechanism, said):
    with pytest.raises(RegardError, match=said):
        load_subject(kept(kind, host, mechanism))


def test_a_network_too_wide_for_a_page_is_refused(kept):
    with pytest.raises(RegardError, match="264 wide"):
        load_subject(kept("tagging", "transformer", dim=264))


def test_a_tagger_has_no_decoder_that_could_ask(kept):
    subject = load_subject(kept("tagging", "transformer(heads=4)", ADDITIVE))
    with pytest.raises(RegardError, match="takes one text"):
        numbers_of(subject, "a", "b")


def test_a_folder_without_a_network_is_told(tmp_path):
    with pytest.raises(RegardError, match="no network of `regard train`"):
        regard.explain("a", on=tmp_path)

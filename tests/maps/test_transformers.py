"""Models of transformers with random weights, against their own output_attentions."""

import pytest
import torch

from regard import RegardError
from regard.maps import Keep, record
from regard.maps.finding import Map

transformers = pytest.importorskip("transformers")

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4}
IDS = torch.tensor([[5, 6, 7, 8, 9], [5, 6, 7, 0, 0]])
REAL = (IDS > 0).long()


def bert():
    config = transformers.BertConfig(vocab_size=20, intermediate_size=24, **SMALL)
    return transformers.BertModel, config, {"input_ids": IDS, "attention_mask": REAL}


def gpt2():
    config = transformers.GPT2Config(
        vocab_size=20, n_embd=16, n_layer=2, n_head=4, bos_token_id=1, eos_token_id=1
    )
    return transformers.GPT2LMHeadModel, config, {"input_ids": IDS, "attention_mask": REAL}


def t5():
    config = transformers.T5Config(
        vocab_size=20, d_model=16, d_kv=4, d_ff=24, num_layers=2, num_heads=4
    )
    inputs = {"input_ids": IDS, "attention_mask": REAL, "decoder_input_ids": IDS[:, :3]}
    return transformers.T5ForConditionalGeneration, config, inputs


def llama():
    config = transformers.LlamaConfig(
        vocab_size=20, num_key_value_heads=2, intermediate_size=24, **SMALL
    )
    return transformers.LlamaForCausalLM, config, {"input_ids": IDS, "attention_mask": REAL}


def vit():
    config = transformers.ViTConfig(image_size=16, patch_size=8, intermediate_size=24, **SMALL)
    numbers = torch.Generator().manual_seed(1)
    return (
        transformers.ViTModel,
        config,
        {"pixel_values": torch.randn(2, 3, 16, 16, generator=numbers)},
    )


def outputs(out):
    return [t for t in out.to_tuple() if isinstance(t, torch.Tensor)]


def built(kind, implementation):
    torch.manual_seed(0)
    return kind[0]._from_config(kind[1], attn_implementation=implementation).eval()


@pytest.mark.parametrize("make", [bert, gpt2, t5, llama, vit])
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@torch.no_grad()
def test_maps_are_what_the_eager_model_says_itself(make, implementation):
    kind = make()
    said = built(kind, "eager")(**kind[2], output_attentions=True)
    wanted = [
        weights
        for name in ("encoder_attentions", "decoder_attentions", "cross_attentions", "attentions")
        for weights in (getattr(said, name, None) or ())
    ]
    model = built(kind, implementation)
    plain = model(**kind[2])
    with record(model, Keep()) as found:
        seen = model(**kind[2])
    for a, b in zip(outputs(plain), outputs(seen), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)
    assert len(found) == len(wanted)
    for m, weights in zip(sorted(found, key=_place), wanted, strict=True):
        real = weights.sum(-1) > 0  # sdpa says nothing of queries that are padding
        torch.testing.assert_close(m.values[real], weights[real], rtol=0, atol=1e-6)


def _place(found: Map) -> tuple[bool, bool, str]:
    """T5 lists its encoder, its decoder, and the attention between them."""
    return "decoder" in found.site, "EncDec" in found.site, found.site


@torch.no_grad()
def test_generation_step_by_step_is_one_map_a_step():
    kind = gpt2()
    model = built(kind, "sdpa")
    with record(model, Keep(at="**.h.1.**")) as found:
        model.generate(IDS[:1], max_new_tokens=3, do_sample=False, pad_token_id=0)
    assert [tuple(m.values.shape[2:]) for m in found] == [(5, 5), (1, 6), (1, 7)]
    assert [m.call for m in found] == [0, 1, 2]


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@torch.no_grad()
def test_flex_attention_is_an_error_that_says_what_to_do():
    kind = bert()
    model = built(kind, "flex_attention")
    wanted = pytest.raises(RegardError, match=r'set_attn_implementation\("sdpa"\)')
    with wanted, record(model):
        model(**kind[2])
    model.set_attn_implementation("sdpa")
    with record(model) as found:
        model(**kind[2])
    assert len(found) == 2

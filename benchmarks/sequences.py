"""Our Transformer beside PyTorch's in training and beside transformers' Marian in decoding.

    OMP_NUM_THREADS=2 python benchmarks/sequences.py [--seconds 20] [--pairs cmn.txt]

All have the same sizes and the same weights, copied, and are first checked to compute the same:
logits of ``torch.nn.Transformer``, tokens of ``MarianMTModel.generate``. Then they run by turns.
Tokens are real ones, of source and target in training, of the target in decoding. ``--pairs`` also
shows how much of the batches of a file of sentence pairs is padding. Everything is eager, in
float32.
"""

from __future__ import annotations

import argparse
import re
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from regard.bench.allocator import memory_kept
from regard.bench.rounds import race
from regard.bench.statistics import ratio
from regard.cost.timing import elapsed_ms
from regard.data.text import bucketed, build_vocabulary, load_translation, padding
from regard.mechanisms.sinusoidal import Sinusoidal
from regard.networks.sequences import LayerSetting, Transformer, greedy

VOCABULARY, DIM, HEADS, HIDDEN, LAYERS = 4000, 256, 8, 1024, 3
LONGEST, STEPS = 30, 40
PAD, BEGIN, END = range(3)


def ours(dropout: float) -> Transformer:
    setting = LayerSetting(
        dim=DIM, heads=HEADS, hidden=HIDDEN, dropout=dropout, options={"bias": True}
    )
    return Transformer(VOCABULARY, None, setting, LAYERS)


class Torch(nn.Module):
    """``torch.nn.Transformer`` with what it lacks: vectors, positions, output."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, DIM, padding_idx=PAD)
        self.body = nn.Transformer(DIM, HEADS, LAYERS, LAYERS, HIDDEN, dropout, batch_first=True)
        self.body.encoder.norm = self.body.decoder.norm = None  # as in the paper, and ours
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("code", Sinusoidal(DIM)(torch.zeros(1, LONGEST + 1, DIM)))

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        hidden = source == PAD
        causal = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        out = self.body(
            self._embedded(source), self._embedded(target), tgt_mask=causal, tgt_is_causal=True,
            src_key_padding_mask=hidden, memory_key_padding_mask=hidden,
        )  # fmt: skip
        return F.linear(out, self.embedding.weight)

    def take(self, model: Transformer) -> Torch:
        """With the weights of ours."""
        weights = renamed(model, {
            r"encoder\.embedding": "embedding", r"^(en|de)coder": r"body.\1coder",
            r"\.attention\.": ".self_attn.", r"\.cross\.": ".multihead_attn.", "output": "out_proj",
            r"feedforward\.0": "linear1", r"feedforward\.2": "linear2",
            r"around_attention\.norm": "norm1", r"around_cross\.norm": "norm2",
            r"(encoder.*)around_feedforward\.norm": r"\1norm2",
            r"(decoder.*)around_feedforward\.norm": r"\1norm3",
        })  # fmt: skip
        for name in [name for name in weights if ".query." in name]:
            parts = [weights.pop(name.replace("query", part)) for part in ("query", "key", "value")]
            weights[name.replace("query.", "in_proj_")] = torch.cat(parts)
        self.load_state_dict({**weights, "code": self.code})
        return self

    def _embedded(self, ids: Tensor) -> Tensor:
        return self.dropout(self.embedding(ids) * DIM**0.5 + self.code[:, : ids.shape[1]])


def marian(model: Transformer) -> nn.Module:
    """Marian with the weights of ours; marks and padding are never the likeliest."""
    from transformers import MarianConfig, MarianMTModel

    config = MarianConfig(
        vocab_size=VOCABULARY, d_model=DIM, activation_function="relu", scale_embedding=True,
        encoder_layers=LAYERS, decoder_layers=LAYERS, encoder_ffn_dim=HIDDEN,
        decoder_ffn_dim=HIDDEN, encoder_attention_heads=HEADS, decoder_attention_heads=HEADS,
        pad_token_id=PAD, decoder_start_token_id=BEGIN, eos_token_id=END,
        forced_eos_token_id=None, max_position_embeddings=128,
    )  # fmt: skip
    found = MarianMTModel(config)
    weights = renamed(model, {
        r"^encoder\.embedding": "shared", r"^": "model.", "around_attention.norm": "self_attn.norm",
        r"\.attention\.": ".self_attn.", r"self_attn\.norm": "self_attn_layer_norm",
        r"around_cross\.norm": "encoder_attn_layer_norm", r"\.cross\.": ".encoder_attn.",
        r"around_feedforward\.norm": "final_layer_norm", "query": "q_proj", "key": "k_proj",
        "value": "v_proj", "output": "out_proj", r"feedforward\.0": "fc1", r"feedforward\.2": "fc2",
    })  # fmt: skip
    code = Sinusoidal(DIM)(torch.zeros(1, 128, DIM))[0]
    weights |= {f"model.{side}.embed_positions.weight": code for side in ("encoder", "decoder")}
    missing = set(found.load_state_dict(weights, strict=False).missing_keys)
    tied = {"final_logits_bias", "lm_head.weight"}
    tied |= {f"model.{side}.embed_tokens.weight" for side in ("encoder", "decoder")}
    assert missing <= tied, missing
    found.final_logits_bias[0, [PAD, BEGIN, END]] = -torch.inf
    return found.eval()


def renamed(model: nn.Module, names: dict[str, str]) -> dict[str, Tensor]:
    weights = {}
    for name, value in model.state_dict().items():
        for pattern, new in names.items():
            name = re.sub(pattern, new, name)  # noqa: PLW2901
        weights[name] = value.clone()
    return weights


def sentences(batch: int, seed: int = 0) -> Tensor:
    """Ids ``[B, N]``, of 5 to N tokens each."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, VOCABULARY, (batch, LONGEST), generator=generator)
    lengths = torch.randint(5, LONGEST + 1, (batch, 1), generator=generator)
    lengths[0] = LONGEST
    return ids.masked_fill(torch.arange(LONGEST) >= lengths, PAD)


def training_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, source: Tensor, target: Tensor
) -> None:
    begin = target.new_full((len(target), 1), BEGIN)
    shown = torch.cat([begin, target], 1)
    wanted = torch.cat([target, begin * PAD], 1)
    optimizer.zero_grad()
    logits = model(source, shown)
    F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=PAD).backward()
    optimizer.step()


def compare_training(dropout: float, seconds: float) -> str:
    source, target = sentences(32), sentences(32, seed=1)
    model = ours(dropout)
    peer = Torch(dropout).take(model)
    with torch.no_grad():
        model.eval(), peer.eval()
        torch.testing.assert_close(model(source, target), peer(source, target))
    models = {"ours": model.train(), "peer": peer.train()}
    runs = {}
    for name, one in models.items():
        step = partial(training_step, one, torch.optim.Adam(one.parameters()), source, target)
        runs[name] = partial(elapsed_ms, step, source.device)
    tokens = int((source != PAD).sum() + (target != PAD).sum())
    return told(
        f"training, 32 pairs, dropout {dropout}", "torch.nn.Transformer", tokens, runs, seconds
    )


@torch.no_grad()
def compare_decoding(batch: int, seconds: float) -> str:
    source = sentences(batch)
    model = ours(0.0).eval()
    for row in (PAD, BEGIN, END):
        model.encoder.embedding.weight[row].zero_()  # logits of 0: never the likeliest
    peer, mask = marian(model), (source != PAD).long()
    mine = partial(greedy, model, source, most=STEPS)
    theirs = partial(
        peer.generate, source, attention_mask=mask, num_beams=1, do_sample=False, use_cache=True,
        min_length=0, max_new_tokens=STEPS,
    )  # fmt: skip
    assert [list(found.tokens) for found in mine()] == theirs()[:, 1:].tolist()
    runs = {
        name: partial(elapsed_ms, run, source.device)
        for name, run in (("ours", mine), ("peer", theirs))
    }
    what = f"cached greedy decoding, {batch} sentences"
    return told(what, "MarianMTModel", batch * STEPS, runs, seconds)


def told(what: str, peer: str, tokens: int, runs: dict, seconds: float) -> str:
    times = race(runs, lambda _: False, seconds)
    found = ratio(times["peer"], times["ours"])  # of speeds: ours over the peer's
    speed, other = (tokens / sorted(t)[len(t) // 2] * 1e3 for t in (times["ours"], times["peer"]))
    return (
        f"{what}: {speed:,.0f} tokens/s, {peer} {other:,.0f}; ratio of speeds "
        f"{found.median:.2f} [{found.low:.2f}, {found.high:.2f}] in {len(times['ours'])} rounds"
    )


def wasted(path: str) -> list[str]:
    """The share of padding in an epoch of a file's pairs, for some sizes of batches."""
    train = load_translation(path).train
    rows = []
    for unit in ("words", "characters", "subwords"):
        sides = [
            build_vocabulary(texts, unit, least=2).encode_all(texts, ends=True).lengths
            for texts in (train.source, train.target)
        ]
        shares = [padding(sides, bucketed(sides, size, seed=0, epoch=0)) for size in (32, 64, 128)]
        told = ", ".join(f"{s:.1%} at {n}" for s, n in zip(shares, (32, 64, 128), strict=True))
        rows.append(f"padding of {len(train):,} pairs by {unit}: {told} pairs a batch")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20, help="of each comparison")
    parser.add_argument("--pairs", help="a file of sentence pairs, see regard.data.text")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    with memory_kept() as memory:
        print(f"torch {torch.__version__}, {options.threads} threads; {memory}")
        print(f"D {DIM}, {HEADS} heads, hidden {HIDDEN}, {LAYERS} + {LAYERS} layers")
        for dropout in (0.0, 0.1):
            print(compare_training(dropout, options.seconds), flush=True)
        for batch in (1, 8, 32):
            print(compare_decoding(batch, options.seconds), flush=True)
    for line in wasted(options.pairs) if options.pairs else ():
        print(line, flush=True)


if __name__ == "__main__":
    main()

"""SE, ECA and CBAM on the sixteen block outputs of a resnet50, ours over timm's, summed.

    python benchmarks/blocks.py --rounds 40

What a network adds beside its convolutions is small against how much these vary from run to run, so
the modules are timed alone, on maps of the shapes and in the numbers that the network has at 224².
Inference writes over the map, as behind a plugged network's normalisation.
"""

from __future__ import annotations

import argparse
import time
from contextlib import nullcontext
from statistics import median

import torch
from timm.layers import create_attn
from torch import Tensor, nn

import regard
from regard.bench.allocator import memory_kept
from regard.bench.statistics import ratio
from regard.bench.wording import ratio_text
from regard.ops import overwriting

STAGES = ((256, 56, 3), (512, 28, 4), (1024, 14, 6), (2048, 7, 3))
"""Channels, side, and how many blocks."""
NAMES = ("se", "eca", "cbam")
OURS = tuple(regard.card(name).module for name in NAMES)
LAYOUTS = {"first": torch.contiguous_format, "last": torch.channels_last}


def seconds(modules: list[nn.Module], maps: list[Tensor], training: bool) -> float:
    total = 0.0
    for module, x, (_, _, blocks) in zip(modules, maps, STAGES, strict=True):
        dy = torch.ones_like(x)
        for _ in range(blocks):
            given = x.clone().requires_grad_(training)
            began = time.perf_counter()
            if training:
                module(given).backward(dy)
            else:
                with overwriting(given) if isinstance(module, OURS) else nullcontext():
                    module(given)
            total += time.perf_counter() - began
    return total


def compared(name: str, layout: str, training: bool, rounds: int) -> str:
    maps = [torch.randn(8, c, s, s).to(memory_format=LAYOUTS[layout]) for c, s, _ in STAGES]
    ours = [regard.get(name, c).train(training) for c, _, _ in STAGES]
    timms = [create_attn(name, c).train(training) for c, _, _ in STAGES]
    times: dict[str, list[float]] = {"ours": [], "timm": []}
    with torch.set_grad_enabled(training):
        for turn in range(rounds + 1):
            for who in ("ours", "timm") if turn % 2 else ("timm", "ours"):
                times[who].append(seconds(ours if who == "ours" else timms, maps, training))
    mine, other = times["ours"][1:], times["timm"][1:]
    mode = "training" if training else "inference"
    cells = (
        f"{name}, {mode}, channels {layout}",
        f"{1e3 * median(mine):.1f}",
        f"{1e3 * median(other):.1f}",
        ratio_text(ratio(mine, other)),
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40, metavar="N", help="default: 40")
    rounds = parser.parse_args().rounds
    print("| sixteen block outputs, batch 8 | ours, ms | timm, ms | ratio |")
    print("| --- | --- | --- | --- |")
    with memory_kept():
        for name in NAMES:
            for training in (False, True):
                for layout in LAYOUTS:
                    print(compared(name, layout, training, rounds), flush=True)


if __name__ == "__main__":
    main()

"""How long an epoch of 60,000 grey images of 28×28 takes SmallResNet on one core.

    python benchmarks/small_epoch.py [--width 1] [--batch 64] [--rounds 10]

Forward, cross-entropy, backward and AdamW in float32, channels_last, on random data that is in
memory; half a minute. The best round counts, for others may use the machine. Expected: under 25 s
with AVX2 (AMD EPYC at 2.45 GHz, torch 2.15, November 2026: 21.0 to 21.8 s at best, 23.9 to
25.7 s while other processes compute on the second core).
"""

from __future__ import annotations

import argparse
import platform
from time import perf_counter

import torch
import torch.nn.functional as F

from regard.cost import count_macs
from regard.networks import SmallResNet

IMAGES, STEPS = 60_000, 30


def round_seconds(model, optimizer, images, labels):
    """Seconds of some training steps."""
    start = perf_counter()
    for _ in range(STEPS):
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
    return perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = SmallResNet(width=options.width)
    macs = count_macs(model, torch.zeros(1, 1, 32, 32))
    parameters = sum(p.numel() for p in model.parameters())
    model = model.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    images = torch.randn(options.batch, 1, 28, 28).to(memory_format=torch.channels_last)
    labels = torch.randint(10, (options.batch,))
    rounds = [round_seconds(model, optimizer, images, labels) for _ in range(options.rounds)]
    rate = STEPS * options.batch / min(rounds)
    print(f"{platform.machine()}, {torch.backends.cpu.get_cpu_capability()}, 1 thread")
    print(f"torch {torch.__version__}, batch {options.batch}, best of {options.rounds} rounds")
    print(f"{parameters:,} parameters, {macs / 1e6:.2f} million MACs at 32×32")
    print(f"{rate:,.0f} images/s: {IMAGES / rate:.1f} s for {IMAGES:,} images")


if __name__ == "__main__":
    main()

"""What attention costs on the CPU: ours, the plain form, timm's module, and a copy of the map.

    MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_MMAP_THRESHOLD_=4294967296 \
        python benchmarks/kernels.py [--threads 2] [--rounds 15] [modules|additive|warp|resnet50 …]

All contenders of a line run by turns in one process; figures are medians, ratios are medians of
the rounds' own ratios with the range that holds the true median with 95 % (order statistics).
The two variables keep the allocator from giving memory back, or fresh outputs are mostly page
faults. Ten minutes in all.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from math import comb

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import regard
from regard.ops import attend, overwriting, using, warp

LAST = torch.channels_last
SHAPES = [(8, 256, 56, 56), (8, 512, 28, 28), (8, 1024, 14, 14), (8, 2048, 7, 7)]


def race(contenders: dict[str, Callable], rounds: int, before: Callable = lambda: None):
    """Milliseconds of each contender in each round, after two rounds that do not count."""
    times = {name: [] for name in contenders}
    for turn in range(rounds + 2):
        for name, run in contenders.items():
            before()
            start = time.perf_counter()
            run()
            if turn > 1:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: np.array(taken) for name, taken in times.items()}


def ratio(times, name, over):
    """Median of the rounds' ratios, and its 95 % range."""
    found = np.sort(times[name] / times[over])
    n = len(found)
    k = max(
        k for k in range(n // 2) if k == 0 or 2 * sum(comb(n, i) for i in range(k)) / 2**n < 0.05
    )
    return f"{np.median(found):5.2f} [{found[k]:.2f}, {found[n - 1 - k]:.2f}]"


def plain(run):
    def with_torch():
        with using("torch"):
            run()

    return with_torch


def inference(module, x):
    def run():
        with torch.no_grad():
            module(x)

    return run


def in_place(module, x):
    def run():
        with torch.no_grad(), overwriting(x):
            module(x)

    return run


def training(module, x, dy):
    def run():
        module(x).backward(dy)
        x.grad = None

    return run


def timm_module(name, channels):
    from timm.layers.cbam import CbamModule
    from timm.layers.eca import EcaModule
    from timm.layers.squeeze_excite import SEModule

    return {"se": SEModule, "eca": EcaModule, "cbam": CbamModule}[name](channels)


def modules(rounds):
    for shape in [*SHAPES, (32, 256, 56, 56)]:
        for last in (False, True):
            x = torch.randn(shape).contiguous(
                memory_format=LAST if last else torch.contiguous_format
            )
            y, dy, kept = torch.empty_like(x), torch.randn_like(x), x.clone()
            for name in ("se", "eca", "cbam"):
                ours, peer = regard.get(name, shape[1]).eval(), timm_module(name, shape[1]).eval()
                runs = {
                    "copy": lambda x=x, y=y: y.copy_(x),
                    "timm": inference(peer, x),
                    "plain": plain(inference(ours, x)),
                    "ours": inference(ours, x),
                    "in place": in_place(ours, x),
                }
                # Gated again and again a map becomes denormal numbers, which are slow.
                found = race(runs, rounds, lambda x=x, kept=kept: x.copy_(kept))
                show(name, shape, last, "inference", found, "ours", "in place")
                if shape[0] > 8:
                    continue
                ours.train(), peer.train()
                g = x.clone().requires_grad_()
                runs = {
                    "timm": training(peer, g, dy),
                    "plain": plain(training(ours, g, dy)),
                    "ours": training(ours, g, dy),
                }
                show(name, shape, last, "training", race(runs, rounds), "ours")


def show(name, shape, last, what, found, *names):
    layout = "last " if last else "first"
    for mine in names:
        line = [f"{name:8} {shape!s:20} {layout} {what:9} {mine:8}"]
        line += [f"{np.median(found[mine]):8.2f} ms"]
        line += [
            f"/{over} {ratio(found, mine, over)}"
            for over in ("timm", "plain", "copy")
            if over in found
        ]
        print("  ".join(line), flush=True)


def additive(rounds):
    """B = 8, T = 256, d = 256, as in the issue of papers that compare scores."""
    query, key, value = (torch.randn(8, 256, 256, requires_grad=True) for _ in range(3))
    eye = torch.eye(256)[None]
    learned, dy = (eye, eye, torch.randn(1, 256)), torch.randn(8, 256, 256)

    def forward():
        with torch.no_grad():
            attend(query, key, value, "additive", learned)

    def both():
        attend(query, key, value, "additive", learned).backward(dy)

    for what, run in (("inference", forward), ("training", both)):
        found = race({"plain": plain(run), "ours": run}, max(3, rounds // 3))
        show("additive", (8, 256, 256), False, what, found, "ours")


def warping(rounds):
    identity, batch = torch.eye(2, 3), 64
    angle = torch.rand(batch) * 1.5 - 0.75
    turned = 1.3 * torch.stack(
        [torch.stack([angle.cos(), -angle.sin(), 0 * angle], -1),
         torch.stack([angle.sin(), angle.cos(), 0 * angle], -1)], 1,
    )  # fmt: skip
    x, dy = torch.randn(batch, 3, 224, 224, requires_grad=True), torch.randn(batch, 3, 224, 224)
    near = identity + 0.05 * torch.randn(batch, 2, 3)
    for name, given in (("near", near), ("turned", turned)):
        theta = given.clone().requires_grad_()

        def peer(x, theta=theta):
            return F.grid_sample(
                x, F.affine_grid(theta, x.shape, align_corners=True), align_corners=True
            )

        def ours(x, theta=theta):
            return warp(x, theta)

        found = race(
            {"timm": training(peer, x, dy), "ours": training(ours, x, dy)}, max(5, rounds // 2)
        )
        show(f"warp {name}", (batch, 3, 224, 224), False, "training", found, "ours")


def resnet50(rounds):
    """Added time as a share of what timm's own attention adds, batch 8, 224×224."""
    import timm

    for last in (False, True):
        form = LAST if last else torch.contiguous_format
        x = torch.randn(8, 3, 224, 224).contiguous(memory_format=form)
        for name in ("se", "eca", "cbam"):
            attention = {"host": {}, "timm": {"block_args": {"attn_layer": name}}, "ours": {}}
            nets = {
                which: timm.create_model("resnet50", zero_init_last=False, **options)
                for which, options in attention.items()
            }
            regard.plug(nets["ours"], name, "layer*.*.bn3", example=x[:1], start="paper")
            for what in ("inference", "training"):
                runs = {
                    which: step(net.to(memory_format=form).train(what == "training"), x, what)
                    for which, net in nets.items()
                }
                found = race(runs, rounds)
                ours, theirs = (np.median(found[n] - found["host"]) for n in ("ours", "timm"))
                line = [f"resnet50 {name:5} {'last ' if last else 'first'} {what:9}"]
                line += [f"adds {ours / theirs:5.2f} of what timm's adds"]
                line += [f"{n}/host {ratio(found, n, 'host')}" for n in ("ours", "timm")]
                print("  ".join(line), flush=True)


def step(net: nn.Module, x, what):
    if what == "inference":
        return inference(net, x)

    def run():
        net(x).square().mean().backward()
        net.zero_grad()

    return run


PARTS = {"modules": modules, "additive": additive, "warp": warping, "resnet50": resnet50}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {options.threads} threads, {options.rounds} rounds")
    for part in options.parts or PARTS:
        PARTS[part](options.rounds)


if __name__ == "__main__":
    main()

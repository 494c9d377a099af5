"""What attention costs on a GPU: ours, the plain form, torch.compile, timm's modules, and a copy.

    python benchmarks/gpu.py [--rounds 20] [--json FILE] [tests|checks|additive|memory|modules …]

One call: first the GPU tests and a check against float64, which stop it where they fail, then all
contenders of a line run by turns. Figures are medians in milliseconds between CUDA events, in
float32 and bfloat16, the second-level cache overwritten before each run; ratios are medians of the
rounds' own ratios. The tables are Markdown; `--json` takes the same rows. Without a CUDA device it
says so and exits with 1.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

import regard
from regard.ops import attend, using

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
FORMATS = {"first": torch.contiguous_format, "last": torch.channels_last}
SHAPES = [(32, 256, 56, 56), (32, 512, 28, 28), (32, 1024, 14, 14), (32, 2048, 7, 7)]
TOKENS = [(8, 256, 256), (1, 1024, 256), (64, 50, 512)]
CACHE = 256 << 20
"""Bytes that are written before a run, more than any second-level cache holds."""


def timed(run: Callable, device: torch.device, scratch: torch.Tensor) -> float:
    """Milliseconds of one run from a cold cache."""
    scratch.zero_()
    if device.type != "cuda":
        start = time.perf_counter()
        run()
        return 1e3 * (time.perf_counter() - start)
    start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    run()
    stop.record()
    stop.synchronize()
    return start.elapsed_time(stop)


def race(contenders: dict[str, Callable], device, rounds: int) -> dict[str, torch.Tensor]:
    """Milliseconds of each contender in each round; three rounds before do not count."""
    scratch = torch.empty(CACHE if device.type == "cuda" else 1, dtype=torch.uint8, device=device)
    times = {name: [] for name in contenders}
    for turn in range(rounds + 3):
        for name, run in contenders.items():
            taken = timed(run, device, scratch)
            if turn > 2:
                times[name].append(taken)
    return {name: torch.tensor(found) for name, found in times.items()}


def row(what: dict, times: dict[str, torch.Tensor], mine: str = "ours") -> dict:
    """Medians of all contenders, and ours over each of the others."""
    found = {f"{name} ms": round(float(t.median()), 4) for name, t in times.items()}
    ratios = {
        f"/{name}": round(float((times[mine] / t).median()), 3)
        for name, t in times.items()
        if name != mine
    }
    return {**what, **found, **ratios}


def markdown(rows: list[dict]) -> str:
    """A table whose columns are the keys of the first row."""
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([str(r.get(k, "")) for k in head] for r in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tokens(shape, device, dtype):
    """Queries, keys, values and what is learned, all of one width."""
    batch, count, dim = shape
    drawn = [torch.randn(batch, count, dim, device=device, dtype=dtype) for _ in range(3)]
    eye = torch.eye(dim, device=device, dtype=dtype)[None]
    return [t.requires_grad_() for t in drawn], (eye, eye, torch.randn_like(eye[:, 0]))


def attention(name: str) -> Callable:
    """Additive attention: ours; eager, the plain form; or compiled."""

    def run(sources, learned):
        with using("auto" if name == "ours" else "torch"):
            return attend(*sources, "additive", learned)

    def traced(sources, learned):
        return attend(*sources, "additive", learned)

    return torch.compile(traced) if name == "compiled" else run


def forward(module, given) -> Callable:
    def run():
        with torch.no_grad():
            module(*given)

    return run


def both(module, given, leaves) -> Callable:
    """Forward and backward, with gradients of all leaves."""
    dy = torch.ones_like(module(*given))

    def run():
        torch.autograd.grad(module(*given), leaves, dy)

    return run


def additive(device, rounds, shapes=TOKENS, names=("ours", "eager", "compiled")):
    """Additive attention; below 1 is faster than the contender named."""
    rows = []
    for shape in shapes:
        for kind, dtype in TYPES.items():
            given = tokens(shape, device, dtype)
            mine = {name: attention(name) for name in names}
            for what in ("forward", "both"):
                runs = {
                    n: forward(m, given) if what == "forward" else both(m, given, given[0])
                    for n, m in mine.items()
                }
                about = {"B, T, d": "×".join(map(str, shape)), "type": kind, "what": what}
                rows.append(row(about, race(runs, device, rounds)))
    return rows


def memory(device, rounds, length=4096, dim=256):
    """Peak bytes of additive attention beyond its inputs, forward and backward."""
    del rounds
    rows = []
    for kind, dtype in TYPES.items():
        sources, learned = tokens((1, length, dim), device, dtype)
        run = both(attention("ours"), (sources, learned), sources)
        plain = length * length * dim * dtype.itemsize
        peak = "not measured"
        if device.type == "cuda":
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            run()
            peak = round((torch.cuda.max_memory_allocated() - before) / 1e6, 1)
        line = {"T": length, "type": kind, "peak MB": peak}
        rows.append({**line, "plain keeps MB": round(plain / 1e6, 1)})
    return rows


def timm_module(name: str, channels: int) -> nn.Module:
    from timm.layers.cbam import CbamModule
    from timm.layers.eca import EcaModule
    from timm.layers.squeeze_excite import SEModule

    return {"se": SEModule, "eca": EcaModule, "cbam": CbamModule}[name](channels)


def gates(name, channels, device, dtype, compiled=True) -> dict[str, nn.Module]:
    """Ours and timm's, each eager and compiled."""
    made = {"ours": regard.get(name, channels), "timm": timm_module(name, channels)}
    made = {n: m.to(device, dtype) for n, m in made.items()}
    if compiled:
        made |= {f"{n} compiled": torch.compile(m) for n, m in list(made.items())}
    return made


def modules(device, rounds, shapes=SHAPES, compiled=True):
    """SE, ECA and CBAM; "copy" is one read and one write of the map, the limit out of place."""
    rows = []
    for shape in shapes:
        for layout, form in FORMATS.items():
            for kind, dtype in TYPES.items():
                x = torch.randn(shape, device=device, dtype=dtype)
                x = x.contiguous(memory_format=form).requires_grad_()
                y = torch.empty_like(x, requires_grad=False)
                for name in ("se", "eca", "cbam"):
                    made = gates(name, shape[1], device, dtype, compiled)
                    size = "×".join(map(str, shape))
                    about = {"gate": name, "map": size, "layout": layout, "type": kind}
                    for what in ("forward", "both"):
                        runs = {
                            n: forward(m, (x,)) if what == "forward" else both(m, (x,), [x])
                            for n, m in made.items()
                        }
                        runs["copy"] = lambda x=x, y=y: y.copy_(x.detach())
                        rows.append(row({**about, "what": what}, race(runs, device, rounds)))
    return rows


def error(found, true) -> float:
    return ((found.double() - true).norm() / true.norm()).item()


def checks(device, rounds=0, shape=(2, 130, 64), channels=64):
    """Errors against float64, of ours and of the plain form in the same type."""
    del rounds
    rows = []
    for kind, dtype in TYPES.items():
        sources, learned = tokens(shape, device, dtype)
        dy = torch.randn_like(sources[0])
        found = {}
        for name in ("ours", "eager", "true"):
            type_ = torch.float64 if name == "true" else dtype
            given = [t.detach().to(type_).requires_grad_() for t in (*sources, *learned)]
            out = attention("ours" if name == "ours" else "eager")(given[:3], tuple(given[3:]))
            found[name] = [out, *torch.autograd.grad(out, given, dy.to(type_))]
        names = ("output", "d query", "d key", "d value", "d W", "d U", "d v")
        for what, *three in zip(names, *(found[n] for n in ("ours", "eager", "true")), strict=True):
            mine, plain = (error(t, three[2]) for t in three[:2])
            fine = mine <= 2 * plain + torch.finfo(dtype).eps
            line = {"what": f"additive, {what}", "type": kind, "ours": f"{mine:.1e}"}
            rows.append({**line, "plain": f"{plain:.1e}", "fine": "yes" if fine else "NO"})
    return rows


def tests(device, rounds):
    """The GPU tests."""
    folder = str(Path(__file__).parents[1] / "tests" / "ops" / "triton")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "not slow", folder], check=False, capture_output=True
    )
    last = (done.stdout.decode().strip().splitlines() or [""])[-1]
    return [{"what": last, "fine": "yes" if done.returncode == 0 else "NO"}]


PARTS = {part.__name__: part for part in (tests, checks, additive, memory, modules)}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path, default=Path("gpu.json"))
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print("benchmarks/gpu.py needs a CUDA device; there is none here", file=sys.stderr)
        return 1
    device = torch.device("cuda")
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.cuda.get_device_name()}, {options.rounds} rounds")
    found = {"torch": torch.__version__, "device": torch.cuda.get_device_name()}
    for part in options.parts or PARTS:
        found[part] = PARTS[part](device, options.rounds)
        print(f"\n{PARTS[part].__doc__}\n\n{markdown(found[part])}", flush=True)
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        if any(line.get("fine") == "NO" for line in found[part]):
            print("a check failed: nothing is timed", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

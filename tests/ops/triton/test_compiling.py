"""The kernels compile to machine code for GPUs, which needs none: what the interpreter takes, the
compiler may not. Types, masks and architectures as in use."""

import os

import pytest

triton = pytest.importorskip("triton")
FLOAT, HALF, LONG = "*fp32", "*bf16", {"CAUSAL": True, "ROWS": 32, "COLUMNS": 64, "SUM": 16}
WRITTEN = dict.fromkeys(("out", "peaks", "totals", "weights", "slopes", "d_mine", "d_v"), FLOAT)
KERNELS = {
    "attend_additive": ("additive", {**LONG, "COLUMNS": 32, "WIDE": 32}),
    "weigh": ("additive_backward", LONG),
    "spread": ("additive_backward", {"ROWS": 32, "COLUMNS": 64, "CHUNK": 8}),
}
SLOW = pytest.mark.slow


def compiled(name, given, masked, architecture):
    """Machine code of a kernel whose sizes are 32-bit integers, in 4 warps as by default."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    module, fixed = KERNELS[name]
    package = f"regard.ops.triton.kernels.{module}"
    kernel = getattr(__import__(package, fromlist=[name]), name)
    fixed = {**fixed, **({} if masked else dict.fromkeys(("mask", "d_v")))}
    fixed = {n: c for n, c in fixed.items() if n in kernel.arg_names}
    pointers = {**dict.fromkeys(("query", "key", "value", "v", "mine", "other"), given), **WRITTEN}
    pointers["mask"] = "*u8"
    types = {n: "constexpr" if n in fixed else pointers.get(n, "i32") for n in kernel.arg_names}
    source = ASTSource(kernel, types, constexprs=fixed)
    return triton.compile(source, target=GPUTarget("cuda", architecture, 32))


@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="nothing is compiled")
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(
    ("given", "masked", "architecture"),
    [
        (HALF, True, 80),
        pytest.param(FLOAT, False, 90, marks=SLOW),
        pytest.param(FLOAT, True, 100, marks=SLOW),
    ],
)
def test_a_kernel_compiles_and_fits_a_gpu(name, given, masked, architecture, tmp_path, monkeypatch):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    found = compiled(name, given, masked, architecture)
    assert found.asm["cubin"]
    assert found.metadata.shared <= 48 << 10  # of what every GPU gives a block

"""measure: parameters, multiply-accumulates, latency and memory of one model on one example."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import page
from ..errors import RegardError
from .macs import macs_of
from .memory import saved_bytes_of
from .running import Call, as_found, call_of
from .timing import Quartiles, forward_ms, threads_set, train_step_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a model costs on one example.

    Args:
        model: its type.
        parameters: their number; shared ones count once.
        trainable: those that require a gradient.
        macs: multiply-accumulates of one forward of the whole batch.
        batch: samples in it.
        saved_bytes: kept for backward by a forward of the batch in train mode.
        latency_ms: of a forward of the batch in eval mode; None if it was not timed.
        train_step_ms: of forward and backward of the batch in train mode; None if it was not
            timed or nothing can be trained.
        repeats: timed runs.
        threads: of the CPU.
        dtype: of the parameters, else of the example.
        device: where it ran.
    """

    model: str
    parameters: int
    trainable: int
    macs: int
    batch: int
    saved_bytes: int
    latency_ms: Quartiles | None
    train_step_ms: Quartiles | None
    repeats: int
    threads: int
    dtype: str
    device: str

    @property
    def macs_per_sample(self) -> float:
        """Multiply-accumulates of one forward, divided by the batch."""
        return self.macs / self.batch

    def rows(self) -> list[tuple[str, str]]:
        """What was measured, and the value with its unit."""
        conditions = f"batch {self.batch}, {self.dtype}, {self.device}, {_threads(self.threads)}"
        return [
            ("model", self.model),
            ("parameters", f"{self.parameters:,}"),
            ("trainable parameters", f"{self.trainable:,}"),
            ("MACs per sample", scaled(self.macs_per_sample)),
            ("saved for backward", f"{scaled(self.saved_bytes)}B"),
            ("forward (eval)", _milliseconds(self.latency_ms)),
            ("forward + backward (train)", _milliseconds(self.train_step_ms)),
            ("measured with", conditions),
        ]

    def table(self) -> str:
        """The rows as aligned text."""
        return page.aligned(self.rows())

    def show(self) -> None:
        """Print the table."""
        print(self.table())

    def json(self) -> str:
        """All fields, in full, as JSON."""
        facts = asdict(self)
        for name in ("latency_ms", "train_step_ms"):
            times: Quartiles | None = getattr(self, name)
            facts[name] = None if times is None else times._asdict()
        return json.dumps({**facts, "macs_per_sample": self.macs_per_sample}, indent=2)

    def save(self, path: str | Path) -> None:
        """Write the JSON to a file."""
        Path(path).write_text(self.json() + "\n", encoding="utf-8")

    def _repr_html_(self) -> str:
        return str(page.table(("cost", "value"), self.rows(), f"Cost of {self.model}"))

    __str__ = table


def measure(
    model: nn.Module,
    example: Any,
    *,
    batch: int | None = None,
    latency: bool = True,
    repeats: int = 20,
    threads: int | None = None,
) -> Cost:
    """What a model costs: parameters, MACs, latency of forward and training step, saved memory.

    The model is left exactly as found: modes, buffers (BatchNorm's statistics too), gradients,
    hooks and the random state. See :func:`regard.cost.count_macs` and
    :func:`regard.cost.saved_bytes` for what is counted.

    Args:
        model: on the device where it is to be measured.
        example: what it is called with: a tensor ``x`` for ``model(x)``, a tuple ``t`` for
            ``model(*t)``, or a mapping ``d`` for ``model(**d)``. A tensor that requires a gradient
            gets one, as a layer's input inside a network does; all floating ones get one where no
            parameter can be trained.
        batch: number of samples to repeat the example to; by default as many as it has.
        latency: whether to time at all.
        repeats: timed runs, after three that warm up.
        threads: of the CPU; by default as many as PyTorch is set to.

    Raises:
        RegardError: with the model's message, if it cannot be run on the example; for numbers
            below 1.
    """
    for name, number in (("repeats", repeats), ("threads", threads)):
        if number is not None and number < 1:
            raise RegardError(f"measure: {name}={number}; 1 or more would work")
    with as_found(model), threads_set(threads) as used:
        call = _with_gradients(model, call_of(example, batch))
        device = _place(model, call)
        macs = macs_of(model, call)
        saved = saved_bytes_of(model, call)
        return Cost(
            model=type(getattr(model, "_orig_mod", model)).__name__,
            parameters=sum(p.numel() for p in model.parameters()),
            trainable=sum(p.numel() for p in model.parameters() if p.requires_grad),
            macs=macs,
            batch=call.batch,
            saved_bytes=saved,
            latency_ms=forward_ms(model, call, repeats, device) if latency else None,
            train_step_ms=train_step_ms(model, call, repeats, device) if latency else None,
            repeats=repeats if latency else 0,
            threads=used,
            dtype=_dtype(model, call),
            device=_device_name(device),
        )


def scaled(value: float) -> str:
    """Four significant digits and a decimal prefix: ``4.089 G``; below a thousand the number."""
    for factor, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.4g} {prefix}"
    return f"{value:.4g} "


def _with_gradients(model: nn.Module, call: Call) -> Call:
    """A model without trainable parameters is measured by the gradients of its inputs."""
    if not any(t.requires_grad for t in (*model.parameters(), *call.tensors())):
        for tensor in call.tensors():
            tensor.requires_grad_(tensor.is_floating_point())
    return call


def _tensors(model: nn.Module, call: Call) -> list[Tensor]:
    return [*model.parameters(), *call.tensors(), *model.buffers()]


def _place(model: nn.Module, call: Call) -> torch.device:
    return next((t.device for t in _tensors(model, call)), torch.device("cpu"))


def _dtype(model: nn.Module, call: Call) -> str:
    kinds = (t.dtype for t in _tensors(model, call) if t.is_floating_point())
    return str(next(kinds, torch.get_default_dtype())).removeprefix("torch.")


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)


def _threads(number: int) -> str:
    return "1 thread" if number == 1 else f"{number} threads"


def _milliseconds(times: Quartiles | None) -> str:
    if times is None:
        return "–"
    return f"{times.median:.4g} ms (quartiles {times.lower:.4g} to {times.upper:.4g})"

"""doctor: what is missing or broken on this machine, and what mends it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

State = Literal["ok", "absent", "broken"]

_PACKAGES = {
    "torch": ("", ""),
    "safetensors": ("", ""),
    "timm": ("vision", "networks of the name timm:…"),
    "torchvision": ("vision", "networks of the name torchvision:…"),
    "transformers": ("text", "text models"),
    "sklearn": ("data", "the embedded digits"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what it is, how it is, and what mends it."""

    what: str
    state: State
    text: str
    remedy: str = ""

    def advice(self) -> str:
        """The remedy as a line of its own, where there is one."""
        return f"\n        → {self.remedy}" if self.remedy else ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings."""

    findings: tuple[Finding, ...]

    @property
    def well(self) -> bool:
        """True if nothing is broken; what is only absent is optional."""
        return all(finding.state != "broken" for finding in self.findings)

    def table(self) -> str:
        """One line a finding."""
        width = max(len(f.what) for f in self.findings)
        return "\n".join(
            f"{f.state:7} {f.what:{width}}  {f.text}"
            + (f"\n        → {f.remedy}" if f.remedy else "")
            for f in self.findings
        )

    def show(self) -> None:
        """Print the table."""
        print(self.table())

    def json(self) -> str:
        """The findings as JSON."""
        return json.dumps(
            {"well": self.well, "findings": [asdict(f) for f in self.findings]}, indent=2
        )

    def save(self, path: str | Path) -> None:
        """Write the JSON to a file."""
        Path(path).write_text(self.json(), encoding="utf-8")


def examine() -> Diagnosis:
    """Look at Python, the libraries, the devices and the disk."""
    checks: list[Callable[[], Finding]] = [_python, _cores, _gpu, _disk]
    packages = [_package(name, *facts) for name, facts in _PACKAGES.items()]
    return Diagnosis((*packages, *(check() for check in checks)))


def _package(name: str, extra: str, what_for: str) -> Finding:
    try:
        version = getattr(import_module(name), "__version__", "")
    except ModuleNotFoundError as error:
        if error.name == name and extra:
            return Finding(name, "absent", what_for, f"pip install 'regard[{extra}]'")
        return Finding(name, "broken", str(error), f"pip install {error.name}")
    except Exception as error:
        return Finding(
            name, "broken", f"{type(error).__name__}: {error}", _remedy(name, str(error))
        )
    return Finding(name, "ok", str(version))


def _remedy(name: str, message: str) -> str:
    if "torchvision::" in message or "nms" in message:
        return (
            "torch and torchvision do not match: pip install --upgrade torch torchvision together "
            "(a CPU-only torch needs a torchvision built for it)"
        )
    return f"pip install --force-reinstall {name}"


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", "ok", f"{version} at {sys.executable}")


def _cores() -> Finding:
    cores = os.cpu_count() or 1
    return Finding(
        "cores", "ok", f"{cores}; compare runs as many trials at a time, one thread each"
    )


def _gpu() -> Finding:
    torch: Any = import_module("torch")
    if not torch.cuda.is_available():
        return Finding("gpu", "absent", "PyTorch finds none; all work runs on the CPU")
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding("gpu", "ok", ", ".join(names))


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    writable = os.access(Path.cwd(), os.W_OK)
    if not writable:
        return Finding("disk", "broken", f"{Path.cwd()} cannot be written", "give compare --out")
    state: State = "ok" if free > 0.1 else "broken"
    return Finding(
        "disk", state, f"{free:.1f} GiB free here", "" if free > 0.1 else "free some space"
    )

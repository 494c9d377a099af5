"""doctor: what is missing or broken on this machine, and what mends it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Literal

from .errors import unwritable

State = Literal["ok", "absent", "broken"]

_PACKAGES = {
    "torch": ("", ""),
    "numpy": ("", ""),
    "numba": ("", ""),
    "safetensors": ("", ""),
    "rich": ("", ""),
    "PIL": ("", ""),
    "shtab": ("", ""),
    "timm": ("vision", "networks of the name timm:…"),
    "torchvision": ("vision", "networks of the name torchvision:…"),
    "transformers": ("text", "text models"),
    "tokenizers": ("text", "vocabularies of subwords"),
    "sacrebleu": ("text", "BLEU and chrF"),
    "pyarrow": ("text", "data sets saved to disk by Hugging Face datasets"),
    "sklearn": ("data", "the embedded digits"),
}
_DISTRIBUTIONS = {"PIL": "Pillow", "sklearn": "scikit-learn"}
_LEAST_FREE = 0.1  # GiB


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
        """One line a finding, its remedy under it."""
        width = max(len(f.what) for f in self.findings)
        return "\n".join(
            f"{f.state:7} {f.what:{width}}  {f.text}".rstrip() + f.advice() for f in self.findings
        )

    def show(self) -> None:
        """Print the table."""
        print(self.table())

    def json(self) -> str:
        """The findings as JSON."""
        findings = [asdict(finding) for finding in self.findings]
        return json.dumps({"well": self.well, "findings": findings}, indent=2)

    def save(self, path: str | Path) -> None:
        """Write the JSON to a file."""
        try:
            Path(path).write_text(self.json() + "\n", encoding="utf-8")
        except OSError as error:
            raise unwritable(path, error) from None


def examine() -> Diagnosis:
    """Look at Python, the libraries, the devices, the compiled kernels and the disk."""
    checks: list[Callable[[], Finding]] = [_python, _cores, _gpu, _kernels, _disk]
    packages = [_package(name, *facts) for name, facts in _PACKAGES.items()]
    return Diagnosis((*packages, *(check() for check in checks)))


def _package(name: str, extra: str, what_for: str) -> Finding:
    try:
        version = getattr(import_module(name), "__version__", "") or _installed(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if missing == name and extra:
            return Finding(name, "absent", what_for, f"pip install 'regard[{extra}]'")
        return Finding(name, "broken", str(error), f"pip install {distribution(missing)}")
    except Exception as error:
        first = next(iter(str(error).splitlines()), "")
        text = f"{type(error).__name__}: {first}"
        return Finding(name, "broken", text, _remedy(name, str(error)))
    return Finding(name, "ok", str(version))


def _installed(name: str) -> str:
    """The version that pip knows, for packages that do not tell theirs."""
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(distribution(name))
    return ""


def _remedy(name: str, message: str) -> str:
    if "torchvision::" in message or "nms" in message:
        return (
            "torch and torchvision do not match: pip install --upgrade torch torchvision together "
            "(a CPU-only torch needs a torchvision built for it)"
        )
    return f"pip install --force-reinstall {distribution(name)}"


def distribution(module: str) -> str:
    """What pip calls the package that a module is in."""
    root = module.partition(".")[0]
    return _DISTRIBUTIONS.get(root, root)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("python", "ok", f"{version} at {sys.executable}")


def _cores() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Finding("cores", "ok", f"{cores or 1}; compare runs as many trials at a time")


def _gpu() -> Finding:
    try:
        torch: Any = import_module("torch")
        there = torch.cuda.is_available()
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    except Exception:
        return Finding("gpu", "absent", "PyTorch, which would find one, is not working")
    if not there:
        return Finding("gpu", "absent", "PyTorch finds none; all work runs on the CPU")
    return Finding("gpu", "ok", ", ".join(names))


def _kernels() -> Finding:
    try:
        from .ops.cpu.compiling import kept_in

        folder = kept_in()
    except Exception:
        return Finding("kernels", "absent", "PyTorch, which they are for, is not working")
    there = next((path for path in (folder, *folder.parents) if path.is_dir()), folder)
    if not os.access(there, os.W_OK):
        text = f"compiled anew by each process: {there} cannot be written"
        remedy = "set NUMBA_CACHE_DIR to a folder that you may write into"
        return Finding("kernels", "absent", text, remedy)
    return Finding("kernels", "ok", f"for the CPU; compiled once, kept in {folder}")


def _disk() -> Finding:
    try:
        here = Path.cwd()
        free = shutil.disk_usage(here).free / 2**30
    except OSError as error:
        return Finding("disk", "broken", f"here: {error.strerror}", "go to another folder")
    if not os.access(here, os.W_OK):
        return Finding("disk", "broken", f"{here} cannot be written", "give compare --out")
    if free < _LEAST_FREE:
        return Finding("disk", "broken", f"{free:.2f} GiB free here", "free some space")
    return Finding("disk", "ok", f"{free:.1f} GiB free here")

"""What one sees while trials run: a live table with the time left, or plain lines in a log."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .executors import Event
from .grid import Grid, epochs_done
from .result import Comparison, shown_row


class Progress:
    """Shows a grid at work on standard error; use it as a context and as ``watch=``.

    On a terminal: the league table of what is finished, and what runs now, redrawn twice a second.
    Elsewhere: one line a finished or failed trial.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.began: dict[Path, float] = {}
        self.took: dict[str, list[float]] = {}
        self.failed: list[str] = []
        self.finished = 0
        self.live: Live | None = None

    def __enter__(self) -> Progress:
        if self.console.is_terminal:
            self.live = Live(console=self.console, auto_refresh=False, transient=True)
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.live is not None:
            self.live.stop()

    def __call__(self, event: Event, grid: Grid) -> None:
        """Take one event of an executor."""
        if event.trial is not None:
            label, seed = grid.name_of(event.trial)
            if event.kind == "started":
                self.began[event.trial] = time.monotonic()
            elif event.kind == "finished":
                self._finish(event.trial, label)
            elif event.kind == "failed":
                self.began.pop(event.trial, None)
                self.failed.append(f"{label}, seed {seed}: {event.message}")
        if self.live is None:
            self._line(event, grid)
        else:
            self.live.update(self._table(grid), refresh=True)

    def left(self, grid: Grid) -> float | None:
        """Seconds left, from the trials finished so far; None before the first.

        An arm of which nothing is finished is taken to need the mean of the others an epoch.
        """
        if not self.took:
            return None
        paces = {a: sum(t) / len(t) / grid.epochs[a] for a, t in self.took.items()}
        usual = sum(paces.values()) / len(paces)
        work = 0.0
        for path in grid.waiting():
            label, _ = grid.name_of(path)
            epochs = grid.epochs[label] - (epochs_done(path) if path in self.began else 0)
            work += paces.get(label, usual) * epochs
        return work / max(1, len(self.began) or 1)

    def _finish(self, trial: Path, label: str) -> None:
        self.took.setdefault(label, []).append(time.monotonic() - self.began.pop(trial))
        self.finished += 1

    def _line(self, event: Event, grid: Grid) -> None:
        if event.kind not in ("finished", "failed") or event.trial is None:
            return
        total, waiting = len(grid.trials), len(grid.waiting())
        label, seed = grid.name_of(event.trial)
        if event.kind == "failed":
            text = f"failed: {label}, seed {seed}: {event.message}"
        else:
            text = f"{label}, seed {seed}: {_accuracy(grid, label, seed)}"
        print(f"[{total - waiting}/{total}{_clock(self.left(grid))}] {text}", file=sys.stderr)

    def _table(self, grid: Grid) -> Table:
        comparison = Comparison.load(grid.folder)
        total, waiting = len(grid.trials), len(grid.waiting())
        head = f"{total - waiting} of {total} trials finished{_clock(self.left(grid))}"
        table = Table(title=Text(head), box=None, header_style="bold", title_justify="left")
        for column in ("arm", "accuracy (trials)", "difference [95%]", "verdict so far"):
            table.add_column(column)
        for row in comparison.rows():
            table.add_row(*(Text(cell) for cell in shown_row(row)[:4]))
        running = [
            f"{label} seed {seed}, epoch {epochs_done(path)}/{grid.epochs[label]}"
            for path in self.began
            for label, seed in [grid.name_of(path)]
        ]
        bad = f"\n{len(self.failed)} failed; {self.failed[-1]}" if self.failed else ""
        table.caption = Text(f"running: {'; '.join(running)}{bad}")
        table.caption_justify = "left"
        return table


def _accuracy(grid: Grid, label: str, seed: int) -> str:
    found = Comparison.load(grid.folder).accuracies[label].get(seed)
    return "finished" if found is None else f"{100 * found:.2f} %"


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f", {hours}:{minutes:02d}:{rest:02d} left" if hours else f", {minutes}:{rest:02d} left"

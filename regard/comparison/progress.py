"""What one sees while trials run: a live table with the time left, or plain lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..page import printable
from .executors import Event
from .grid import Grid, epochs_done
from .result import Comparison
from .wording import head_of, shown_row, shown_share


class Progress:
    """Shows a grid at work on standard error; use it as a context and as ``watch=``.

    On a terminal: the table of what is finished, what runs now and the time left, redrawn at every
    event. Elsewhere: a line for each trial that finished or failed.

    Args:
        console: where to show it.
        clock: seconds, for the time left.
    """

    def __init__(
        self, console: Console | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.console = console or Console(stderr=True)
        self.clock = clock
        self.running: dict[Path, tuple[float, int]] = {}  # since when, and epochs done before
        self.slots = 1
        self.done: set[Path] = set()
        self.paces: dict[str, list[float]] = {}  # seconds an epoch of each finished trial
        self.failed: list[str] = []
        self.known: Comparison | None = None
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

    def __call__(self, event: Event, grid: Grid | None) -> None:
        """Take one event of an executor."""
        if grid is None:
            self._prepare(event.message)
            return
        if self.known is None:
            self.done = set(grid.folders()) - set(grid.waiting())
        if event.trial is not None:
            self._count(event, event.trial, grid)
        if self.known is None or event.kind == "finished":
            self.known = grid.comparison()
        if self.live is not None:
            self.live.update(self._table(grid, self.known), refresh=True)
        elif event.kind in ("finished", "failed") and event.trial is not None:
            self._line(event, event.trial, grid, self.known)

    def left(self, grid: Grid) -> float | None:
        """Seconds left, from the trials finished so far; None before the first.

        An arm of which nothing is finished is taken to need the mean of the others an epoch. What
        is left is shared by the workers, but no trial by two of them.
        """
        if not self.paces:
            return None
        means = {arm: sum(paces) / len(paces) for arm, paces in self.paces.items()}
        usual = sum(means.values()) / len(means)
        work = [0.0]
        for path in grid.waiting():
            label, _ = grid.name_of(path)
            pace, done = means.get(label, usual), epochs_done(path)
            seconds = pace * max(0, grid.epochs[label] - done)
            if path in self.running:
                since, before = self.running[path]
                within = self.clock() - since - pace * (done - before)
                seconds -= min(max(within, 0.0), pace)
            work.append(max(seconds, 0.0))
        return max(sum(work) / self.slots, *work)

    def _count(self, event: Event, trial: Path, grid: Grid) -> None:
        label, seed = grid.name_of(trial)
        if event.kind == "started":
            self.running[trial] = (self.clock(), epochs_done(trial))
            self.slots = max(self.slots, len(self.running))
            return
        since, before = self.running.pop(trial, (self.clock(), 0))
        if event.kind == "finished":
            self.done.add(trial)
            epochs = max(1, grid.epochs[label] - before)
            self.paces.setdefault(label, []).append((self.clock() - since) / epochs)
        elif event.kind == "failed":
            self.failed.append(f"{label}, seed {seed}: {event.message}")

    def _prepare(self, what: str) -> None:
        if self.live is not None:
            self.live.update(Text(f"preparing: {printable(what)}"), refresh=True)

    def _line(self, event: Event, trial: Path, grid: Grid, known: Comparison) -> None:
        label, seed = grid.name_of(trial)
        if event.kind == "failed":
            text = f"failed: {label}, seed {seed}: {event.message}"
        else:
            value = known.values[label].get(seed) or 0.0
            text = f"{label}, seed {seed}: {shown_share(value, known.measure)}"
        line = f"[{len(self.done)}/{len(grid.folders())}{clock_text(self.left(grid))}] {text}"
        self.console.print(Text(printable(line)), soft_wrap=True)

    def _table(self, grid: Grid, known: Comparison) -> Table:
        count = f"{len(self.done)} of {len(grid.folders())} trials finished"
        head = f"{count}{clock_text(self.left(grid))}"
        table = Table(title=Text(head), box=None, header_style="bold", title_justify="left")
        for column in ("arm", *head_of(known.measure)[1:2], "difference [95%]", "verdict so far"):
            table.add_column(column)
        for row in known.rows():
            table.add_row(*(Text(printable(cell)) for cell in shown_row(row)[:4]))
        running = [
            f"{label} seed {seed}, epoch {epochs_done(path)}/{grid.epochs[label]}"
            for path in self.running
            for label, seed in [grid.name_of(path)]
        ]
        lines = [f"running: {'; '.join(running)}"] if running else []
        lines += [f"{len(self.failed)} failed; {self.failed[-1]}"] if self.failed else []
        table.caption = Text(printable("\n".join(lines)))
        table.caption_justify = "left"
        return table


def clock_text(seconds: float | None) -> str:
    """``, 1:02:03 left``, or nothing where that is not known yet."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f", {hours}:{minutes:02d}:{rest:02d} left" if hours else f", {minutes}:{rest:02d} left"

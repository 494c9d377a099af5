"""What was left out while a folder was read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from .picture import BadImage
from .tree import shown_some

OnBad = Literal["error", "skip"]
Item = TypeVar("Item")
Read = TypeVar("Read")


@dataclass(slots=True)
class Findings:
    """Collects the names of what is left out, for the notes.

    Args:
        on_bad: a file that gives no image is an ``error``, or ``skip``.
        hidden: hidden and system files and folders.
        beside: what lies beside the folders that are read.
        skipped: files that gave no image.
    """

    on_bad: OnBad
    hidden: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def sift(
        self, items: Iterable[Item], read: Callable[[Item], Read]
    ) -> Iterator[tuple[Item, Read]]:
        """Each item with what ``read`` makes of it.

        Raises:
            BadImage: an item gives no image and that is an error.
        """
        for item in items:
            try:
                result = read(item)
            except BadImage as error:
                if self.on_bad == "error":
                    raise
                self.skipped.append(error.path.name)
                continue
            yield item, result

    def notes(self) -> list[str]:
        """One sentence for each kind that occurred."""
        kinds = (
            ("hidden or left by a system, ignored", self.hidden),
            ("beside the folders of images, ignored", self.beside),
            ("without an image, skipped", self.skipped),
        )
        return [f"{len(names):,} {what}: {shown_some(names)}" for what, names in kinds if names]

"""A progress bar on a terminal, once something takes long."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

AFTER_S: Final = 2.0
T = TypeVar("T")


def with_progress(
    items: Iterable[T], total: int | None, label: str, done: Callable[[T], int] | None = None
) -> Iterator[T]:
    """The same items, while a bar on standard error tells how far they are.

    :param total: how many there are, or where `done` ends; None: not known
    :param done: how far an item is (octets, for example); by default items are counted
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    started = time.monotonic()
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[count]:,}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=console, transient=True)
    task = progress.add_task(label, total=total, count=0)
    shows = False
    count = 0
    try:
        for item in items:
            if not shows and console.is_terminal and time.monotonic() - started > AFTER_S:
                progress.start()
                shows = True
            count += 1
            if shows:
                progress.update(task, completed=count if done is None else done(item), count=count)
            yield item
    finally:
        if shows:
            progress.stop()

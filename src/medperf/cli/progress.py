"""A sign of life on the terminal for anything that takes longer than a second."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from medperf.cli.command import wants_json

PATIENCE_S = 1.0
"""What is done sooner than this needs no sign."""


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show that ``what`` is going on, on stderr and only where a person watches."""
    if wants_json() or not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_show, args=(what, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _show(what: str, done: threading.Event) -> None:
    if done.wait(PATIENCE_S):
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{what} …"):
        done.wait()

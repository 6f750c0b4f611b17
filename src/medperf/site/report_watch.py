"""Watch a preparator's report while it runs, and pass on what changes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from medperf.domain.errors import MedPerfError
from medperf.site.worklist import Report, read_report

Progress = Callable[[str, Report | None], None]
"""Told the task that runs (or ``fingerprint``) and the preparator's report so far."""


class ReportWatch:
    """Passes on what the preparator reports while it runs."""

    def __init__(self, path: Path, progress: Progress | None, poll_s: float) -> None:
        self._path = path
        self._progress = progress
        self._poll_s = poll_s
        self._seen: tuple[int, int] | None = None

    def tell(self, task: str) -> None:
        """Say that a task runs, and what the report says now."""
        if self._progress is None:
            return
        report = None
        with suppress(MedPerfError, OSError):  # half-written for the moment
            report = read_report(self._path)
        self._progress(task, report)

    @contextmanager
    def during(self, task: str) -> Iterator[None]:
        """Look at the report again and again until the block ends."""
        self.tell(task)
        if self._progress is None:
            yield
            return
        ended = threading.Event()
        self._changed()

        def watch() -> None:
            while not ended.wait(self._poll_s):
                if self._changed():
                    self.tell(task)

        thread = threading.Thread(target=watch, name="preparation-report", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            if self._changed():
                self.tell(task)

    def _changed(self) -> bool:
        try:
            facts = self._path.lstat()
        except OSError:
            return False
        before, self._seen = self._seen, (facts.st_mtime_ns, facts.st_size)
        return before != self._seen

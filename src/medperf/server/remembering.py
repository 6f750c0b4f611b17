"""Answers that take long and follow from their key alone: computed once, kept while in use."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Any

KEPT = 32


class Remembered:
    """The latest answers of this process.

    A key names everything that an answer follows from, by content, so that nothing ever needs to be
    forgotten for being out of date. Who asks for an answer that is being computed waits for it.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._lock = Lock()
        self._answers: OrderedDict[Hashable, Future[Any]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def answer(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """The answer of this key; a failure is raised to all who wait, and not kept."""
        with self._lock:
            known = self._answers.get(key)
            mine: Future[Any] = Future()
            if known is None:
                self._answers[key] = mine
                while len(self._answers) > self._kept:
                    self._answers.popitem(last=False)
            else:
                self._answers.move_to_end(key)
        if known is not None:
            return known.result()
        try:
            mine.set_result(compute())
        except BaseException as error:
            with self._lock:
                self._answers.pop(key, None)
            mine.set_exception(error)
            raise
        return mine.result()

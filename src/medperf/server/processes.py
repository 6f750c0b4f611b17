"""The processes of a server that has several: each dead one is replaced, and none that still loads.

The library's own supervisor ends a process that does not answer in time, also one that has not
begun to. On a busy machine loading takes longer than any such time, so that every process was ended
before it was ready and the next one began anew; and while it waited it heard no signal.
"""

import time
from collections.abc import Callable

from uvicorn import Config
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

from medperf.server.listening import Listening

_LOOK_S = 0.2
"""How long one of them is waited for at a time; signals are heard in between."""

SILENT_S = 60.0
"""After how long without an answer a process that has answered before is taken to hang."""


class Processes(Multiprocess):
    """Runs a server's processes until it is told to stop."""

    def __init__(
        self, config: Config, listening: Listening, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Get ready; ``clock`` answers seconds."""
        super().__init__(config, sockets=listening)
        self._clock = clock
        self._heard: dict[Process, float] = {}

    def keep_subprocess_alive(self) -> None:
        """Look at each once."""
        for place, process in enumerate(self.processes):
            if self.should_exit.is_set():
                return
            if process.process.is_alive() and not self._hangs(process):
                continue
            process.kill()
            process.join()
            self._heard.pop(process, None)
            if process.exitcode == STARTUP_FAILURE:
                self.should_exit.set()  # another one would fail as it did
                return
            self.processes[place] = Process(self.config, self.sockets)
            self.processes[place].start()

    def _hangs(self, process: Process) -> bool:
        has_answered = False
        while process.parent_conn.poll():  # late, to what it was asked before
            process.parent_conn.recv()
            has_answered = True
        if has_answered or process.ping(_LOOK_S):
            self._heard[process] = self._clock()
            return False
        heard = self._heard.get(process)
        return heard is not None and self._clock() - heard > SILENT_S

"""What the runner tells the launcher.

Written by the runner with all its types, read by the launcher as plain values of the same names:
both run the same Python, so its own ``marshal`` serves, which costs no import.
"""

import marshal
from dataclasses import asdict, dataclass
from typing import Literal

Level = Literal["namespaces", "landlock", "bare"]


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or folder of the host and where the step sees it."""

    source: str
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class Orders:
    """Everything the launcher needs to know about one step."""

    level: Level
    status_fd: int
    scratch: str
    """An empty private folder: the new root is built there, or it is the step's ``/tmp``."""
    program: tuple[str, ...]
    environment: dict[str, str]
    folder: str
    binds: tuple[Bind, ...]
    links: tuple[tuple[str, str], ...]
    """(path, target) of symbolic links in the new root, such as ``/bin`` to ``usr/bin``."""
    devices: tuple[str, ...]
    user: int
    """The host's number of the user the step becomes."""
    group: int
    memory_bytes: int
    """Zero for no limit on a process's data."""
    pids: int
    cpus: int
    output_bytes: int
    tmp_bytes: int
    shm_bytes: int

    def dump(self) -> bytes:
        """Write the orders for the launcher's standard input."""
        return marshal.dumps(asdict(self))

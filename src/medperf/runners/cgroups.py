"""What a container holds in memory, read from the kernel's control group of it.

The id that the engine gave the container names the group, wherever the engine keeps it, so no
engine is asked and no root is needed: these files are open to everyone.

The kernel's own high-water marks (``memory.peak``, ``memory.max_usage_in_bytes``) are not used.
They count every file that was read as long as it is cached, so that a step which reads many cases
always peaks at its limit, and one that starts a second time needs less than before.
"""

import os
import re
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
_HELD = {"v2": ("anon", "shmem"), "v1": ("total_rss", "total_shmem")}
"""Fields of ``memory.stat``: the pages of processes, and those of shared memory and ``tmpfs``."""
_SEARCHES = 100
"""Where the group is out of sight, as with an engine on another machine, looking for it ends."""


class ContainerMemory:
    """The memory of one container that is starting or running.

    Args:
        id_file: where the engine writes the container's id, once it has one.
        cgroups: where the kernel's control groups are mounted, of version 1 or 2.
    """

    def __init__(self, id_file: Path, cgroups: Path) -> None:
        unified = (cgroups / "cgroup.controllers").exists()
        self._id_file = id_file
        self._root = cgroups if unified else cgroups / "memory"
        self._fields = _HELD["v2" if unified else "v1"]
        self._group: Path | None = None
        self._searches_left = _SEARCHES

    def held_bytes(self) -> int:
        """What the kernel could not take back now without ending a process; 0 if not known."""
        group = self._group or self._find()
        if group is None:
            return 0
        try:
            lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
        except OSError:  # it has ended, or these files are not for us
            return 0
        counts = dict(line.split() for line in lines)
        return sum(int(counts.get(field, 0)) for field in self._fields)

    def _find(self) -> Path | None:
        try:
            name = self._id_file.read_text(encoding="ascii").strip()
        except OSError:
            return None
        if self._searches_left == 0 or not re.fullmatch("[0-9a-f]{64}", name):
            return None
        self._searches_left -= 1
        # Each as its cgroupfs and its systemd driver names it; Podman's monitor has a group too.
        names = {name, f"libpod-{name}", f"docker-{name}.scope", f"libpod-{name}.scope"}
        for folder, inside, _ in os.walk(self._root):
            for match in names.intersection(inside):
                self._group = Path(folder, match)
                return self._group
        return None

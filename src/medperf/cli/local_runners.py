"""The runners of this machine, for what a person runs from the command line."""

from pathlib import Path

from medperf.runners.sandbox import SandboxRunner
from medperf.runners.selection import RunnerSet


def local_runners(folder: Path, *, allow_bare: bool = False) -> RunnerSet:
    """Every runner, the strongest first; their temporary files go below ``folder``."""
    return RunnerSet([SandboxRunner(folder, allow_bare=allow_bare)])

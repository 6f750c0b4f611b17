"""What of the host a sandboxed step sees: programs, libraries, the site's Python, few devices."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from medperf.runners.launcher.orders import Bind, Orders

_TEMPORARY = "/tmp"  # noqa: S108  # a path inside the sandbox
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = ("alternatives", "fonts", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime")
_DEVICES = ("null", "zero", "full", "random", "urandom")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python that steps run with, and the folders it consists of."""

    program: Path
    folders: tuple[Path, ...]

    @classmethod
    def current(cls) -> "Interpreter":
        """The Python that runs the platform; its packages are the steps' packages."""
        folders = dict.fromkeys(Path(folder) for folder in (sys.prefix, sys.base_prefix))
        return cls(Path(sys.executable), tuple(folders))


def system_folders() -> tuple[list[tuple[str, str]], list[Bind]]:
    """The host's programs and libraries: links as links, folders read-only, few settings."""
    links, binds = [], []
    for name in _SYSTEM:
        path = Path(name)
        if path.is_symlink():
            links.append((name, str(path.readlink())))
        elif path.is_dir():
            binds.append(Bind(name, name))
    for name in _SETTINGS:
        path = Path("/etc", name)
        if path.exists():
            binds.append(Bind(str(path.resolve()), str(path)))
    return links, binds


def devices(*, gpus: bool) -> Iterator[str]:
    """The devices every program expects, and graphics cards when they are granted."""
    for name in _DEVICES:
        yield f"/dev/{name}"
    if gpus:
        yield from (str(path) for path in Path("/dev").glob("nvidia*") if path.is_char_device())


def with_host_paths(orders: Orders) -> Orders:
    """Without a root of its own the step must be told the host's paths instead of its own."""
    # Also what keeps its path, so that a Python below /tmp is not taken for the step's own files.
    names = {bind.target: bind.source for bind in orders.binds}
    names[_TEMPORARY] = orders.scratch
    longest_first = sorted(names, key=len, reverse=True)
    pattern = re.compile("|".join(rf"{re.escape(name)}(?![^/:,;=\s])" for name in longest_first))

    def translate(text: str) -> str:
        return pattern.sub(lambda found: names[found.group()], text)

    environment = {key: translate(value) for key, value in orders.environment.items()}
    return replace(
        orders,
        program=tuple(translate(argument) for argument in orders.program),
        environment={**environment, "TMPDIR": orders.scratch},
        folder=names.get(orders.folder, orders.folder),
    )

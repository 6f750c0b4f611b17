"""Where the demo plays: folders, real processes, and the command line as each person would use it.

Commands run inside this process (the same code as in a shell, without an interpreter's start each
time); the server and the sites' agents are processes of their own.
"""

import contextlib
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medperf.cli.main import run

_SECRET = "<token>"  # noqa: S105 - stands for a secret that is not shown
START_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 20.0


class CommandFailedError(Exception):
    """A command of the demo ended with an error."""


@dataclass
class Stage:
    """One folder that holds everything, and the processes that were started in it."""

    folder: Path
    say: Callable[[str], None]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        os.environ["MEDPERF_HOME"] = str(self.home)

    @property
    def home(self) -> Path:
        """Where the logins of all the people on this machine are kept."""
        return self.folder / "home"

    def site_folder(self, name: str) -> Path:
        """A hospital's own folder; on a real federation this is another machine."""
        return self.folder / "sites" / name

    def medperf(self, *words: object, who: str | None = None, site: str | None = None) -> Any:
        """Run one command as ``who`` (a profile) or at ``site``, and answer its JSON.

        Raises:
            CommandFailedError: with what the command said.
        """
        arguments = [str(word) for word in words] + (["--profile", who] if who else [])
        self.say(self.shown(arguments, site))
        out, err = io.StringIO(), io.StringIO()
        with (
            self._at(site),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            status = run([*arguments, "--json"])
        if status != 0:
            raise CommandFailedError(f"{self.shown(arguments, site)}\n{err.getvalue()}")
        return json.loads(out.getvalue()) if out.getvalue().strip() else None

    def start(self, name: str, *words: object, site: str | None = None) -> None:
        """Start a program that stays: the server, or a site's agent. Its output goes to a file."""
        arguments = [str(word) for word in words]
        self.say(self.shown(arguments, site))
        log = self.folder / "logs" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        with self._at(site), log.open("wb") as output:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "medperf", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def log_of(self, name: str) -> Path:
        """What a program that stays has said."""
        return self.folder / "logs" / f"{name}.log"

    def check_alive(self) -> None:
        """Fail when a program that should stay has ended."""
        for name, process in self.processes.items():
            if process.poll() is not None:
                tail = self.log_of(name).read_text(errors="replace")[-2000:]
                raise CommandFailedError(f"{name} ended with {process.returncode}:\n{tail}")

    def wait_for_file(self, path: Path) -> str:
        """Wait until a started program has written ``path``, and read it."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if path.exists() and (text := path.read_text().strip()):
                return text
            self.check_alive()
            time.sleep(0.05)
        raise CommandFailedError(f"nothing wrote {path.name} within {START_TIMEOUT_S:.0f} s")

    def stop(self) -> None:
        """Stop what was started, the agents before the server, each by its own process."""
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    def shown(self, arguments: Sequence[str], site: str | None = None) -> str:
        """A command as a person would type it, without secrets and this machine's long paths."""
        words = [_SECRET if flag == "--invitation" else word for flag, word in pairs(arguments)]
        text = shlex.join(["medperf", *words]).replace(f"{self.folder}/", f"{self.folder.name}/")
        return f"{site or ''}$ {text.replace(shlex.quote(_SECRET), _SECRET)}"

    @contextlib.contextmanager
    def _at(self, site: str | None) -> Iterator[None]:
        before = os.environ.pop("MEDPERF_SITE", None)
        if site:
            os.environ["MEDPERF_SITE"] = str(self.site_folder(site))
        try:
            yield
        finally:
            os.environ.pop("MEDPERF_SITE", None)
            if before is not None:
                os.environ["MEDPERF_SITE"] = before


def pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each word with the one before it."""
    return zip(["", *words], words, strict=False)

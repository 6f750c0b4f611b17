"""Which runner runs this container here: the strongest that works, or the one asked for by name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medperf.domain.clock import Clock, system_clock
from medperf.domain.containers import ContainerType
from medperf.domain.errors import NotSupportedError, SandboxUnavailableError
from medperf.runners.apptainer import ApptainerRunner
from medperf.runners.base import Runner
from medperf.runners.docker import DockerRunner
from medperf.runners.podman import PodmanRunner
from medperf.runners.sandbox import SandboxRunner


@dataclass(frozen=True, slots=True)
class RunnerSet:
    """The runners of a site, the preferred one first."""

    runners: Sequence[Runner]

    def choose(self, container_type: ContainerType, name: str | None = None) -> Runner:
        """The first runner that can run ``container_type`` and works here.

        Args:
            container_type: what is to be run.
            name: accept only this runner. Where it cannot run the type at all (an engine and a
                ``SourceArchive``), the sandbox still may.

        Raises:
            NotSupportedError: nothing runs this type, or no runner has this name.
            SandboxUnavailableError: none that could works here; the message says why for each.
        """
        if container_type.is_encrypted:
            raise NotSupportedError(
                f"{container_type} cannot run yet: nothing releases its key to this site"
            )
        able = [runner for runner in self.runners if container_type in runner.container_types]
        if name is not None:
            self._refuse_unknown(name)
            able = [runner for runner in able if runner.name == name] or able
        if not able:
            raise NotSupportedError(f"no runner of this site runs a {container_type}")
        reasons = []
        for runner in able:
            availability = runner.available()
            if availability.ok:
                return runner
            reasons.append(f"{runner.name}: {availability.reason}")
        raise SandboxUnavailableError(f"no {container_type} can run here ({'; '.join(reasons)})")

    def _refuse_unknown(self, name: str) -> None:
        names = list(_names(self.runners))
        if name not in names:
            raise NotSupportedError(f"there is no runner {name!r}; there are {', '.join(names)}")


def standard_runners(
    folder: Path, *, clock: Clock = system_clock, allow_bare: bool = False
) -> RunnerSet:
    """Every runner this program has, the strongest first; nothing is started yet.

    Args:
        folder: private to the caller; unpacked code and running steps live below it.
        clock: gives the times in outcomes.
        allow_bare: run code without isolation where the kernel offers none (the demo's own code).
    """
    return RunnerSet(
        (
            DockerRunner(clock=clock),
            PodmanRunner(clock=clock),
            ApptainerRunner(folder / "apptainer", clock=clock),
            SandboxRunner(folder / "sandbox", clock=clock, allow_bare=allow_bare),
        )
    )


def _names(runners: Iterable[Runner]) -> Iterable[str]:
    return (runner.name for runner in runners)

"""Run steps with Podman, which needs no daemon."""

import resource
from collections.abc import Mapping
from typing import Any

from medperf.runners.engine import EngineFacts, EngineRunner
from medperf.runners.identity import Identity

_ENOUGH = 16384
"""Files or processes: below what Podman leaves itself where it may not raise its own limits."""


class PodmanRunner(EngineRunner):
    """Podman, by root or by any user."""

    program = "podman"
    remove = ("rm", "--force", "--volumes", "--time=0")

    def _read_facts(self, info: Mapping[str, Any]) -> EngineFacts:
        host = info["host"]
        return EngineFacts(
            version=str(info["version"]["Version"]),
            processors=int(host["cpus"]),
            is_rootless=bool(host["security"]["rootless"]),
        )

    def _user_arguments(self, facts: EngineFacts, user: Identity) -> list[str]:
        keep = ["--userns=keep-id"] if facts.is_rootless else []
        return [*keep, f"--user={user.user}:{user.group}"]

    def _own_arguments(self) -> list[str]:
        # By default Podman adds writable folders without a limit, and asks for more open files and
        # processes than a user without CAP_SYS_RESOURCE may have.
        return [
            "--read-only-tmpfs=false",
            f"--ulimit=nofile={_limit(resource.RLIMIT_NOFILE)}",
            f"--ulimit=nproc={_limit(resource.RLIMIT_NPROC)}",
        ]

    def _gpu_arguments(self, gpus: str) -> list[str]:
        return [f"--device=nvidia.com/gpu={number}" for number in gpus.split(",")]


def _limit(what: int) -> str:
    hard = resource.getrlimit(what)[1]
    value = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    return f"{value}:{value}"

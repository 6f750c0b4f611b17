"""Run steps with Docker."""

from collections.abc import Mapping
from typing import Any

from medperf.domain.errors import SandboxUnavailableError
from medperf.runners.engine import EngineFacts, EngineRunner
from medperf.runners.identity import Identity


class DockerRunner(EngineRunner):
    """Docker, by root's daemon or a rootless one."""

    program = "docker"

    def _read_facts(self, info: Mapping[str, Any]) -> EngineFacts:
        if not info.get("ServerVersion"):  # the client answers even when the daemon does not
            said = "; ".join(info.get("ServerErrors") or ["its daemon does not answer"])
            if "permission denied" in said:
                raise SandboxUnavailableError(
                    "docker's daemon runs, but this user may not use it",
                    hint="Use Podman, or ask for the group 'docker', which is as good as root.",
                )
            raise SandboxUnavailableError(f"docker does not answer: {said}")
        options = info.get("SecurityOptions") or []
        return EngineFacts(
            version=str(info["ServerVersion"]),
            processors=int(info["NCPU"]),
            is_rootless=any("rootless" in option for option in options),
        )

    def _user_arguments(self, facts: EngineFacts, user: Identity) -> list[str]:
        if facts.is_rootless:  # the container's root is the daemon's own user outside
            return ["--user=0:0"]
        return [f"--user={user.user}:{user.group}"]

    def _gpu_arguments(self, gpus: str) -> list[str]:
        return ["--gpus=all"] if gpus == "all" else [f'--gpus="device={gpus}"']

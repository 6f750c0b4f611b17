"""Running one task of a container that nobody registered, on folders of one's own."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import yaml

from medperf.cli.command import wants_json
from medperf.cli.container_files import config_file_of, parameters_of
from medperf.cli.container_form import source_of
from medperf.cli.hosted import fetch, is_address
from medperf.cli.progress import waiting
from medperf.domain.containers import ContainerConfig
from medperf.runners import config_file
from medperf.runners.archives import unpack
from medperf.runners.base import Limits, Outcome, require_success
from medperf.runners.plan import plan_step
from medperf.runners.selection import standard_runners

SHOWN_BYTES = 64 * 1024
"""How much of the container's output a person sees; the file has all of it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One task, as it was asked for on the command line."""

    path: Path
    task: str
    inputs: Mapping[str, Path]
    outputs: Mapping[str, Path]
    parameters: Path | None = None
    additional_files: Path | None = None
    runner: str | None = None
    timeout_s: float | None = None
    log: Path | None = None
    allow_bare: bool = False


def try_task(trial: Trial) -> dict[str, Any]:
    """Run the task and answer what happened; its output is shown on stderr.

    Raises:
        StepFailedError: it did not end with zero.
        MedPerfError: it could not be started.
    """
    with TemporaryDirectory(prefix="medperf-", ignore_cleanup_errors=True) as scratch:
        log = trial.log or Path(scratch, "log")
        outcome = _run(trial, Path(scratch), log)
        _show(log)
    require_success(outcome, trial.task)
    return {
        "task": trial.task,
        "exit_code": outcome.exit_code,
        "runner": outcome.runner,
        "isolation": dict(outcome.isolation),
        "wall_s": round((outcome.ended_at - outcome.started_at).total_seconds(), 3),
        "outputs": {key: str(path) for key, path in trial.outputs.items()},
        "log": str(trial.log) if trial.log else None,
    }


def _run(trial: Trial, scratch: Path, log: Path) -> Outcome:
    file = config_file_of(trial.path)
    config = config_file.load(file)
    runners = standard_runners(scratch / "runner", allow_bare=trial.allow_bare)
    runner = runners.choose(config.container_type, trial.runner)
    image = runner.resolve(config, source=_source(config, file, scratch))
    limits = Limits()
    if trial.timeout_s is not None:
        limits = replace(limits, timeout_s=trial.timeout_s)
    step = plan_step(
        config,
        trial.task,
        step_id="trial",
        inputs=trial.inputs,
        outputs=trial.outputs,
        limits=limits,
        parameters_file=_parameters(trial.parameters, scratch),
        additional_files=_folder(trial.additional_files, scratch),
    )
    with waiting(f"Running {trial.task} with {runner.name}"):
        return runner.run(image, step, log)


def _source(config: ContainerConfig, file: Path, scratch: Path) -> Path | None:
    if not config.container_type.is_fetched:
        return None
    place = source_of(config, file)
    if not is_address(place):
        return Path(place)
    fetch(place, scratch / "image")
    return scratch / "image"


def _parameters(path: Path | None, scratch: Path) -> Path | None:
    # Written again from its values, as a site does with what was registered.
    values = parameters_of(path)
    if values is None:
        return None
    written = scratch / "parameters_file.yaml"
    written.write_text(yaml.safe_dump(values, allow_unicode=True), encoding="utf-8")
    return written


def _folder(path: Path | None, scratch: Path) -> Path | None:
    if path is None or path.is_dir():
        return path
    unpack(path, scratch / "additional_files")
    return scratch / "additional_files"


def _show(log: Path) -> None:
    if wants_json() or not log.is_file():
        return
    with log.open("rb") as file:
        text = file.read(SHOWN_BYTES).decode(errors="replace")
    if text.strip():
        click.echo(text.rstrip("\n"), err=True)

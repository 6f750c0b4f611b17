"""Running one task of a container that nobody registered, on folders of one's own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from medperf.cli.command import wants_json
from medperf.cli.container_files import config_file_of, parameters_of
from medperf.cli.container_form import source_of
from medperf.cli.hosted import fetch, is_address
from medperf.cli.output import note
from medperf.cli.progress import waiting
from medperf.domain.containers import TASK_RULES, ContainerConfig, TaskSpec
from medperf.domain.errors import InvalidRequestError, StepFailedError
from medperf.runners import config_file
from medperf.runners.archives import unpack
from medperf.runners.base import Limits, Outcome, require_success
from medperf.runners.plan import plan_step, write_parameters
from medperf.runners.selection import standard_runners

SHOWN_BYTES = 64 * 1024
"""How much of the container's output a person sees; the file has all of it."""
_OPTIONS = {
    "parameters_file": "--parameters FILE",
    "additional_files": "--additional-files FOLDER",
}


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
        printed = _printed(log)
    if printed and not wants_json():
        click.echo(printed, err=True)
    try:
        require_success(outcome, trial.task)
    except StepFailedError as error:
        where = "what it printed is above" if printed else "it printed nothing"
        raise StepFailedError(
            error.detail,
            hint=f"Correct the container; {where}.",
            **error.context,
            printed=printed,
        ) from None
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
    if (task := config.tasks.get(trial.task)) is not None:
        _refuse_unknown("input", trial.inputs, task.input_volumes)
        _refuse_unknown("output", trial.outputs, task.output_volumes)
        _tell_missing(trial, task)
    runners = standard_runners(scratch / "runner", allow_bare=trial.allow_bare)
    runner = runners.choose(config.container_type, trial.runner)
    if trial.runner not in {None, runner.name}:
        note(f"{trial.runner} runs no {config.container_type}; {runner.name} does.")
    image = runner.resolve(config, source=_source(config, file, scratch))
    limits = Limits()
    if trial.timeout_s is not None:
        limits = replace(limits, timeout_s=trial.timeout_s)
    step = plan_step(
        config,
        trial.task,
        step_id="trial",
        inputs=trial.inputs,
        outputs={**_unwanted(trial, task, scratch / "unwanted"), **trial.outputs},
        limits=limits,
        parameters_file=_parameters(trial.parameters, scratch),
        additional_files=_folder(trial.additional_files, scratch),
    )
    with waiting(f"Running {trial.task} with {runner.name}"):
        return runner.run(image, step, log)


def _refuse_unknown(side: str, given: Iterable[str], declared: Iterable[str]) -> None:
    known = ", ".join(sorted(declared)) or "none"
    for key in given:
        if key not in declared:
            raise InvalidRequestError(f"the task has no {side} {key!r}", hint=f"It has: {known}.")


def _tell_missing(trial: Trial, task: TaskSpec) -> None:
    given = {**trial.inputs, "parameters_file": trial.parameters}
    given["additional_files"] = trial.additional_files
    for key in task.input_volumes:
        if given.get(key) is None:
            option = _OPTIONS.get(key, f"--input {key}=PATH")
            note(f"{key} is not mounted; give it with {option}.")


def _unwanted(trial: Trial, task: TaskSpec | None, folder: Path) -> dict[str, Path]:
    """Places for outputs that nobody asked for, which a site would mount; they are not kept."""
    if task is None:
        return {}
    rules = TASK_RULES[trial.task].outputs if trial.task in TASK_RULES else {}
    return {
        key: folder / key / "output"
        for key in task.output_volumes
        if key not in trial.outputs and not (key in rules and rules[key].required)
    }


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
    return None if values is None else write_parameters(values, scratch / "parameters_file.yaml")


def _folder(path: Path | None, scratch: Path) -> Path | None:
    if path is None or path.is_dir():
        return path
    unpack(path, scratch / "additional_files")
    return scratch / "additional_files"


def _printed(log: Path) -> str:
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        return file.read(SHOWN_BYTES).decode(errors="replace").strip("\n")

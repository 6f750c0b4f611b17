"""Why an execution failed: everything for the people of its site, a code and numbers for others."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medperf.cli.site_views import plain
from medperf.cli.text import printable
from medperf.domain import errors
from medperf.domain.errors import NotFoundError, UnavailableError
from medperf.site.app import Site
from medperf.site.store.jobs import Job
from medperf.site.store.ledger import LedgerLine
from medperf.site.store.outputs import StepRecord
from medperf.site.store.rulings import RecordedRuling

TAIL_BYTES = 8 * 1024
TAIL_LINES = 40
_STEPS = ("infer", "evaluate")

_TRIAL = "medperf execution trial {id} runs the same on the benchmark's demo data, with full logs."
_FAMILIES: tuple[tuple[type[errors.MedPerfError], str], ...] = (
    (errors.StepTimedOutError, "It took longer than the site allows. " + _TRIAL),
    (errors.OutOfMemoryError, "It wanted more memory than the site gives. " + _TRIAL),
    (errors.OutputLimitError, "It wrote more than the site allows. " + _TRIAL),
    (errors.StepOutputError, "What it wrote is not what the task asks for. " + _TRIAL),
    (errors.StepFailedError, "The container ended with an error of its own. " + _TRIAL),
    (
        errors.UndeclaredValueError,
        "The evaluator wrote something that the analysis plan does not declare: ask the"
        " benchmark's owner. " + _TRIAL,
    ),
    (errors.PolicyDeniedError, "The hospital's policy forbids it: ask its people for which terms."),
    (errors.WithheldError, "The hospital's gate or its people kept the result. Ask them."),
    (errors.SandboxUnavailableError, "The site cannot run this kind of container now."),
    (errors.UntrustedError, "The site found other bytes than were approved, and stopped."),
    (errors.UnavailableError, "Something the site needs is away; it tries again by itself."),
)


def hint_of(code: str | None, number: int) -> str:
    """What a model owner can do about a failure's code."""
    kind = errors.by_code().get(code or "")
    found = (text for family, text in _FAMILIES if kind is not None and issubclass(kind, family))
    return next(found, "Ask the hospital's people, who see all of it.").format(id=number)


def told(execution: Mapping[str, Any]) -> dict[str, Any]:
    """What everybody who sees an execution may know of its failure."""
    number, code = int(execution["id"]), execution.get("failure_code")
    kind = errors.by_code().get(code or "")
    keys = ("id", "benchmark_id", "model_id", "dataset_id", "site_id", "state")
    found: dict[str, Any] = {key: execution.get(key) for key in keys}
    if code is None:
        return {**found, "failure": None}
    return {
        **found,
        "failure": {
            "code": code,
            "meaning": (kind.__doc__ or "").strip().partition("\n")[0] if kind else "",
            "step": execution.get("failure_step"),
            "resources": execution.get("resources") or {},
            "hint": hint_of(code, number),
        },
    }


def diagnose(site: Site, number: int) -> dict[str, Any]:
    """Everything this site knows of an execution; nothing of it leaves.

    Raises:
        NotFoundError: the site did not run it.
    """
    job = site.jobs.of_execution(number)
    if job is None:
        raise NotFoundError(
            f"execution {number} is of no job of this site",
            hint="'medperf site status' lists the jobs with their executions.",
        )
    found = {
        "job_id": job.number,
        "execution_id": number,
        "server": _server(site, number),
        "state": job.state,
        "waiting_for": job.waiting_for,
        "attempts": job.attempts,
        "failure": asdict(job.failure) if job.failure else None,
        "findings": [asdict(finding) for finding in job.findings],
        "steps": list(_steps(site, job)),
        "policy": [_ruling(ruling) for ruling in site.permission.rulings.of_job(job.number)],
        "ledger": [_line(line) for line in _about(site.ledger.lines(), number)],
        "disclosed": [
            {"release": each.name, "n_numbers": len(each.cells)}
            for each in site.screening.disclosures.of_job(job.number)
        ],
        "history": [asdict(line) for line in site.jobs.history(job.number)],
    }
    return {key: plain(value) for key, value in found.items()}


def tail(path: Path) -> list[str]:
    """The last lines of a log, without anything that a terminal would act on."""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - TAIL_BYTES))
        text = stream.read().decode("utf-8", "replace")
    lines = text.splitlines()[1 if size > TAIL_BYTES else 0 :]
    return [printable(line) for line in lines[-TAIL_LINES:]]


def _server(site: Site, number: int) -> dict[str, Any]:
    try:
        return told(site.client.executions.get(number).model_dump(mode="json"))
    except UnavailableError as error:
        return {"away": error.detail}


def _steps(site: Site, job: Job) -> Iterable[dict[str, Any]]:
    for task in _STEPS:
        step, log = site.outputs.step(job.number, task), site.folder.job(job.number) / f"{task}.log"
        if step is not None or log.is_file():
            yield {
                "task": task,
                **(_step(step) if step else {"state": "not kept"}),
                "log": str(log) if log.is_file() else None,
                "last_lines": tail(log) if log.is_file() else [],
            }


def _step(step: StepRecord) -> dict[str, Any]:
    seconds = (
        (step.ended_at - step.started_at).total_seconds()
        if step.started_at and step.ended_at
        else None
    )
    return {
        "state": "complete" if step.is_complete else "not completed",
        "started_at": step.started_at,
        "duration_s": seconds,
        "runner": step.runner,
        "isolation": dict(step.isolation),
        "image_digest": step.image_digest,
        "peak_memory_bytes": step.peak_memory_bytes,
    }


def _ruling(ruling: RecordedRuling) -> dict[str, Any]:
    return {
        "at": ruling.at,
        "action": ruling.action.value,
        "answer": ruling.answer.value,
        "rules": list(ruling.rules),
        "errors": list(ruling.errors),
        "policy_digest": ruling.policy_digest,
    }


def _about(lines: Iterable[LedgerLine], number: int) -> Iterable[LedgerLine]:
    return (line for line in lines if line.subject == f"execution:{number}")


def _line(line: LedgerLine) -> dict[str, Any]:
    return {
        "number": line.number,
        "kind": line.kind,
        "digest": line.digest,
        "released_by": line.released_by,
        "released_at": line.released_at,
        "answers": [f"{at.isoformat()} {said}" for at, said in line.answers],
    }

"""How a site's own things look: its status, the questions in its inbox, the lines of its ledger."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from medperf.cli.json_text import json_text
from medperf.cli.tables import Column, when
from medperf.domain.errors import UnavailableError
from medperf.domain.identifiers import format_time
from medperf.site.app import Site
from medperf.site.review import InboxItem
from medperf.site.store.jobs import FINAL
from medperf.site.store.ledger import LedgerLine

GIB = 1024**3
MOST_DONE = 20
"""How many jobs that are done a status lists."""

_QUESTIONS = {"run": "may this run?", "release": "may this leave?"}

STATUS_COLUMNS = (
    Column("job", "job_id"),
    Column("execution", "execution_id"),
    Column("benchmark", "benchmark"),
    Column("model", "model"),
    Column("dataset", "dataset"),
    Column("state", "state"),
    Column("waits for", "waiting_for"),
    Column("problem", "problem"),
)
INBOX_COLUMNS = (
    Column("job", "job_id"),
    Column("question", value=lambda row: _QUESTIONS[row["question"]]),
    Column("model", "model"),
    Column("dataset", "dataset"),
    Column("benchmark", "benchmark"),
    Column("remarks", value=lambda row: len(row["notes"])),
)
LEDGER_COLUMNS = (
    Column("line", "number"),
    Column("what", "kind"),
    Column("about", "subject"),
    Column("released by", "released_by"),
    Column("role", "role"),
    Column("at", "released_at"),
    Column("bytes", "size_bytes"),
    Column("answer", "answer"),
)


def plain(value: Any) -> Any:
    """A site's value as JSON has it."""
    if isinstance(value, datetime):
        return format_time(value)
    if isinstance(value, Mapping):
        return {str(key): plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [plain(child) for child in value]
    return str(value) if isinstance(value, Path) else value


def status_record(site: Site) -> dict[str, Any]:
    """Everything the site knows of itself, with the server's numbers beside the names."""
    found = site.status()
    numbers = {job.number: job for job in site.jobs.in_states()}
    jobs = []
    for one in found.jobs:
        job = numbers.get(one.number)
        jobs.append(
            {
                "job_id": one.number,
                "benchmark_id": job.benchmark_id if job else None,
                "model_id": job.model_id if job else None,
                "dataset_id": job.dataset_id if job else None,
                **{key: value for key, value in asdict(one).items() if key != "number"},
            }
        )
    record: dict[str, Any] = plain(
        {
            "name": found.name,
            "site_id": found.site_id,
            "server": found.server,
            "folder": found.folder,
            "settings": found.settings.model_dump(mode="json"),
            "policy": asdict(found.policy),
            "agent_runs": found.agent_runs,
            "agent": asdict(found.agent) if found.agent else None,
            "link": asdict(found.link),
            "free_bytes": found.free_bytes,
            "counts": dict(found.counts),
            "n_waiting_for_person": found.n_waiting_for_person,
            "jobs": jobs,
        }
    )
    return record


def status_lines(record: Mapping[str, Any]) -> Iterator[str]:
    """The head of the status, for people."""
    policy, link = record["policy"], record["link"]
    yield f"site    {record['name']} ({record['site_id']}) at {record['server']}"
    agent = record["agent"]
    if record["agent_runs"]:
        who = f"process {agent['pid']} on {agent['host']}, " if agent else ""
        yield f"agent   runs ({who}since {when(agent['since'])})" if agent else "agent   runs"
    else:
        yield "agent   does not run; start it with 'medperf site start'"
    if link["away_since"]:
        yield f"server  away since {when(link['away_since'])}: {link['problem']}"
    else:
        yield f"server  heard {when(link['heard_at'])}" if link["heard_at"] else "server  not heard"
    if policy["problem"]:
        yield f"policy  NOT VALID, so everything is denied: {policy['problem']}"
    else:
        yield f"policy  version {policy['version']}: {', '.join(policy['rules'])}"
    counts = ", ".join(f"{n} {state}" for state, n in record["counts"].items())
    yield f"jobs    {counts or 'none'}"
    yield f"disk    {record['free_bytes'] / GIB:.1f} GiB free"
    yield ""


def jobs_to_show(jobs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The jobs that are not done, and the newest of those that are."""
    done = [job["job_id"] for job in jobs if job["state"] in FINAL and not job["waiting_for"]]
    older = frozenset(done[:-MOST_DONE])
    return [job for job in jobs if job["job_id"] not in older]


def item_record(item: InboxItem) -> dict[str, Any]:
    """One question, for programs."""
    found = {key: value for key, value in asdict(item).items() if key != "number"}
    return {"job_id": item.number, **plain(found)}


def item_lines(item: InboxItem) -> Iterator[str]:
    """One question, for the person who decides: in full, nothing is cut."""
    about = f"{item.model} on {item.dataset} for {item.benchmark}"
    if item.question == "run":
        yield f"job {item.number}: may this run? {about}"
        yield "What would run on what, by digest:"
        yield json_text(plain(item.statement))
    else:
        yield f"job {item.number}: may this leave? {about}"
        yield f"This document would leave, and nothing else about the data ({item.digest}):"
        yield json_text(item.document)
        if item.notes:
            yield "What you should know, which does not leave:"
            yield from (f"- {note.path or 'the document'}: {note.message}" for note in item.notes)
    yield f"Decide: medperf site approve {item.number}, or medperf site reject {item.number}"


def execution_record(site: Site, number: int) -> dict[str, Any]:
    """An execution with what only its site knows of it; the server is asked if it answers.

    Raises:
        NotFoundError: neither knows it.
    """
    job = site.jobs.of_execution(number)
    try:
        known = site.client.executions.get(number).model_dump(mode="json")
    except UnavailableError as error:
        if job is None:
            raise
        known = {"id": number, "server": str(error)}
    if job is None:
        return {**known, "at_this_site": None}
    logs = sorted(site.folder.job(job.number).rglob("*.log"))
    here = {
        "job_id": job.number,
        "state": job.state,
        "waiting_for": job.waiting_for,
        "attempts": job.attempts,
        "findings": [asdict(finding) for finding in job.findings],
        "failure": asdict(job.failure) if job.failure else None,
        "run_decision": asdict(job.run_decision) if job.run_decision else None,
        "release_decision": asdict(job.release_decision) if job.release_decision else None,
        "logs": [str(log) for log in logs],
        "history": [asdict(line) for line in site.jobs.history(job.number)],
    }
    return {**known, "at_this_site": plain(here)}


def ledger_record(line: LedgerLine) -> dict[str, Any]:
    """One line of the ledger with the document that left."""
    text = line.content.decode(errors="replace")
    try:
        content = json.loads(text)
    except ValueError:
        content = text
    return {
        "number": line.number,
        "kind": line.kind,
        "subject": line.subject,
        "digest": line.digest,
        "released_by": line.released_by,
        "role": line.role,
        "released_at": format_time(line.released_at),
        "size_bytes": len(line.content),
        "answer": line.answers[-1][1] if line.answers else None,
        "answers": [{"at": format_time(at), "answer": said} for at, said in line.answers],
        "content": content,
    }

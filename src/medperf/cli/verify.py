"""``medperf verify``: check a bundle offline, from the number back to all it rests on."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medperf.cli import profiles
from medperf.cli.command import Verb, chosen_profile, wants_json
from medperf.cli.connection import log_key_now
from medperf.cli.output import write, write_json
from medperf.cli.text import printable
from medperf.cli.verified_board import cells, lines
from medperf.domain.errors import InvalidRequestError, ProofError
from medperf.domain.identifiers import format_time

if TYPE_CHECKING:
    from medperf.provenance.bundle import Bundle
    from medperf.provenance.notes import NoteKey
    from medperf.provenance.predicates import Approval
    from medperf.provenance.verdict import Finding, Verdict, VerifiedAgreement, VerifiedResult


@click.command(
    cls=Verb,
    example="""
    medperf verify result-7.json --log-key log-key.txt
    medperf verify leaderboard.json --log-key medperf-log-...+1a2b3c4d+AZ... --json
    """,
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--log-key", metavar="KEY|FILE", help="The log's key, or a file of it; that of your login."
)
@click.option("--all", "show_all", is_flag=True, help="Say everything that holds, too.")
def command(file: Path, log_key: str | None, show_all: bool) -> None:
    """Check a bundle of results or agreements, offline, trusting nothing but the log's key.

    The exit status is 0 only if nothing failed and nothing is missing. What each step checks, and
    what no bundle can show, is in docs/reference/verification.md.
    """
    from medperf.provenance.bundle import Bundle

    key = _key(log_key)
    bundle = Bundle.from_bytes(file.read_bytes())
    verdict = verdict_of(bundle, key)
    board = cells((bundle.model_extra or {}).get("leaderboard"), verdict)
    if wants_json():
        write_json({**_as_json(verdict, key), "leaderboard": board})
    else:
        text = _as_text(verdict, key, board, show_all=show_all)
        write(printable("\n".join(text), "\n"))
    if not verdict.is_verified:
        raise ProofError(
            f"{file} is not verified: {len(verdict.failed)} checks failed,"
            f" {len(verdict.missing)} could not be made",
            hint="Believe only what is listed as verified. See docs/reference/verification.md.",
        )


def verdict_of(bundle: "Bundle", key: "NoteKey") -> "Verdict":
    """All that can be found about a bundle here: its proofs, and its figures computed again."""
    from medperf.provenance.verify import verify_bundle

    verdict = verify_bundle(bundle, key)
    leaderboard = (bundle.model_extra or {}).get("leaderboard")
    if leaderboard is not None:
        _recompute(leaderboard, verdict)
    return verdict


def _recompute(leaderboard: Any, verdict: "Verdict") -> None:
    try:
        from medperf.cli.recomputing import check_figures
    except ImportError as error:
        needed = f"computing them again needs {error.name}: pip install 'medperf[server]'"
        verdict.miss(11, "leaderboard figures", needed)
    else:
        check_figures(leaderboard, verdict)


def _key(given: str | None) -> "NoteKey":
    from medperf.provenance.notes import NoteKey

    if given is None:
        known = profiles.load().by_name
        given = log_key_now(profiles.choose(chosen_profile())) if known else ""
        if not given:
            raise InvalidRequestError(
                "which log is trusted? no key was given, and no login has one",
                hint="Give --log-key, from someone you trust; 'medperf log key' shows yours.",
            )
    place = Path(given)
    text = given if "+" in given and not place.is_file() else place.read_text(encoding="utf-8")
    return NoteKey.from_text(text.strip())


def _as_text(
    verdict: "Verdict", key: "NoteKey", board: list[dict[str, Any]], *, show_all: bool
) -> Iterator[str]:
    from medperf.provenance.verdict import STEPS

    yield f"Trusted: {key.name}"
    if board:
        yield ""
        yield "Leaderboard:"
        yield from lines(board)
    for result in verdict.results:
        yield ""
        yield from _chain(result)
    for agreement in verdict.agreements:
        yield ""
        yield from _agreement(agreement)
    groups = [("Failed", verdict.failed), ("Missing", verdict.missing)]
    if show_all:
        groups.append(("Checked", verdict.checked))
    for title, findings in groups:
        if findings:
            yield ""
            yield f"{title}:"
            yield from (
                f"  {each.step:2} {STEPS[each.step]} - {each.about}: {each.detail}"
                for each in findings
            )
    counted = f"{len(verdict.agreements)} agreements verified; " if verdict.agreements else ""
    n_verified = sum(result.is_verified for result in verdict.results)
    yield ""
    yield (
        f"{n_verified} of {len(verdict.results)} results verified; {counted}"
        f"{len(verdict.checked)} checks hold, {len(verdict.failed)} fail,"
        f" {len(verdict.missing)} could not be made."
    )


def _chain(result: "VerifiedResult") -> Iterator[str]:
    said = result.statement.predicate
    state = "verified" if result.is_verified else "NOT VERIFIED"
    yield (
        f"Benchmark {said.benchmark_id}, model {said.model_id}, dataset {said.dataset_id}: {state}"
    )
    for name, value, n in _numbers(said.result):
        yield f"  {name} = {value:g}" + (f" (n={n})" if n is not None else "")
    yield f"  signed by {', '.join(result.signed_by)}, leaf {result.log_index} of the log"
    for name, digest in said.subjects().items():
        yield f"  {name}: {digest}"
    for approval in result.approvals:
        yield (
            f"  approved by {approval.name} ({approval.role}) at {approval.at:%Y-%m-%d %H:%MZ}"
            f"{_voucher(approval)}"
        )


def _agreement(agreement: "VerifiedAgreement") -> Iterator[str]:
    terms = agreement.terms
    yield f"Agreement {terms.agreement_id} ({terms.agreement_type}), {terms.title}: verified"
    yield f"  document: {terms.document_digest} ({terms.document_size_bytes} bytes)"
    yield f"  from {terms.starts_at:%Y-%m-%d %H:%MZ} until {terms.ends_at:%Y-%m-%d %H:%MZ}"
    if agreement.terminated_at is not None:
        yield f"  terminated at {agreement.terminated_at:%Y-%m-%d %H:%MZ}"
    for party in terms.parties:
        by = agreement.signed_by[party.organization_id]
        yield f"  signed by {by.name} for {party.name} at {by.at:%Y-%m-%d %H:%MZ}{_voucher(by)}"


def _voucher(approval: "Approval") -> str:
    from medperf.provenance.predicates import Decider

    if not isinstance(approval, Decider) or approval.user_id is None:
        return ""
    return ", with their own key" if approval.key_id else ", for whom the server vouches"


def _numbers(document: dict[str, Any]) -> Iterator[tuple[str, float, int | None]]:
    for estimate in document.get("metrics", ()):
        if not estimate.get("subgroup"):
            label = estimate.get("class_label")
            name = f"{estimate['name']} of {label}" if label else str(estimate["name"])
            yield name, estimate["value"], estimate["n"]
    for name, value in document.get("values", {}).items():
        yield name, value, None


def _as_json(verdict: "Verdict", key: "NoteKey") -> dict[str, Any]:
    return {
        "log": key.name,
        "is_verified": verdict.is_verified,
        "results": [
            {
                "is_verified": result.is_verified,
                "signed_by": list(result.signed_by),
                "log_index": result.log_index,
                "approvals": [each.model_dump(mode="json") for each in result.approvals],
                "statement_digest": result.statement.digest,
                "subjects": result.statement.predicate.subjects(),
                "result": result.statement.predicate.result,
                "benchmark_id": result.statement.predicate.benchmark_id,
                "model_id": result.statement.predicate.model_id,
                "dataset_id": result.statement.predicate.dataset_id,
            }
            for result in verdict.results
        ],
        "agreements": [
            {
                **each.terms.model_dump(mode="json"),
                "signed_by": {
                    str(party): by.model_dump(mode="json") for party, by in each.signed_by.items()
                },
                "log_index": each.log_index,
                "terminated_at": each.terminated_at and format_time(each.terminated_at),
            }
            for each in verdict.agreements
        ],
        "failed": [_finding(each) for each in verdict.failed],
        "missing": [_finding(each) for each in verdict.missing],
        "checked": [_finding(each) for each in verdict.checked],
    }


def _finding(each: "Finding") -> dict[str, Any]:
    return {"step": each.step, "about": each.about, "detail": each.detail}

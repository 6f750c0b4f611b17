"""``medperf policy``: a site's rules about its data, and a benchmark's about who takes part."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from medperf.cli import benchmark_policy
from medperf.cli.at_site import folder_option, opened, person_options
from medperf.cli.command import Noun, wants_json
from medperf.cli.output import show_done, show_rows, write, write_json
from medperf.cli.policy_options import (
    benchmark_option,
    composed,
    demand_valid,
    for_option,
    policy_options,
    policy_text,
)
from medperf.cli.tables import Column
from medperf.domain.identifiers import format_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medperf.policy.actions import Scope
    from medperf.policy.cases import Outcome
    from medperf.policy.decision import Policy
    from medperf.site.store.policies import PolicyVersion

T = TypeVar("T")
_DRAFT = "policy.cedar"
TEMPLATE_COLUMNS = (
    Column("template", "name"),
    Column("role", "role"),
    Column("wish", "title"),
    Column("fields", "fields"),
)
RULE_COLUMNS = (
    Column("rule", "id"),
    Column("effect", "effect"),
    Column("reason", "reason"),
    Column("template", "template"),
)
VERSION_COLUMNS = (
    Column("version", "version"),
    Column("in force from", "in_force_at"),
    Column("approved by", "approved_by"),
    Column("digest", "digest"),
)
CASE_COLUMNS = (
    Column("case", "name"),
    Column("expected", "expected"),
    Column("answer", "answer"),
    Column("rules", "rules"),
    Column("complaint", "complaint"),
)
DIFFERENCE_COLUMNS = (
    Column("action", "action"),
    Column("at", "at"),
    Column("was", "was"),
    Column("would be", "would_be"),
    Column("rules", "rules"),
)


@click.group(cls=Noun)
def command() -> None:
    """A site's rules about its data; with --benchmark, that benchmark's about who takes part."""


@command.command(
    example="""
    medperf policy new --list
    medperf policy new --template most-per-model --with most=3 > policy.cedar
    medperf policy new --for benchmark --template accept-all --with what=dataset
    """
)
@for_option
@click.option("--list", "lists", is_flag=True, help="List the templates and their fields.")
@click.option("--template", "templates", multiple=True, metavar="NAME", help="Use this template.")
@click.option(
    "--with", "values", multiple=True, metavar="NAME=VALUE", help="Fill in a field of a template."
)
def new(whose: str, lists: bool, templates: tuple[str, ...], values: tuple[str, ...]) -> None:
    """Write a draft to stdout, made of templates; without any, the default: ask for everything."""
    scope = _scope(whose)
    if lists:
        show_rows(_templates(scope), TEMPLATE_COLUMNS, "")
        return
    text = composed(templates or ("ask",), values, scope)
    if wants_json():
        write_json({"text": text})
    else:
        write(text.rstrip("\n"))


@command.command(
    name="set",
    example="""
    medperf policy set --file policy.cedar
    medperf policy set --template unattended-run --template most-per-model \
--with benchmarks=1,2 --with most=3
    medperf policy set --benchmark 3 --file taking-part.cedar
    """,
)
@policy_options
@benchmark_option
@person_options
@folder_option
def set_policy(
    file: Path | None,
    templates: tuple[str, ...],
    values: tuple[str, ...],
    benchmark: str | None,
    name_of_person: str | None,
    role: str | None,
    folder: str | None,
) -> None:
    """Put a policy in force, as a signed version; a running agent takes a site's up at once."""
    from medperf.policy.actions import Scope
    from medperf.provenance.predicates import Approval

    if benchmark is not None:
        text = policy_text(file, templates, values, Scope.SERVER)
        demand_valid(text, file.name if file else _DRAFT, Scope.SERVER)
        put = benchmark_policy.put_in_force(benchmark, text)
        said = f"policy version {put.version} of benchmark {put.benchmark_id} is in force."
        show_done(said, benchmark_policy.version_record(put))
        return
    text = policy_text(file, templates, values)
    demand_valid(text, file.name if file else _DRAFT)
    with opened(folder) as site:
        person = site.person(name_of_person, role or "data owner")
        approval = Approval(name=person.name, role=person.role, at=site.clock())
        version = site.policy.put_in_force(text, (approval,))
        rules = [rule.id for rule in site.policy.current().policy.rules]
    said = f"policy version {version.version} is in force: {', '.join(rules)}."
    show_done(said, _version_record(version), "medperf policy show")


@command.command(
    example="""
    medperf policy show
    medperf policy show --version 2 --json
    medperf policy show --benchmark 3
    """
)
@click.option("--version", type=int, help="This version instead of the one in force.")
@benchmark_option
@folder_option
def show(version: int | None, benchmark: str | None, folder: str | None) -> None:
    """Show the rules in force, or what is wrong so that everything is denied."""
    from medperf.policy.actions import Scope
    from medperf.policy.decision import Policy

    if benchmark is not None:
        text, number = benchmark_policy.current(benchmark)
        if version is not None:
            known = {one.version: one.text for one in benchmark_policy.versions(benchmark)}
            text, number = _known(known, version), version
        _show(Policy(text, Scope.SERVER), number, "")
        return
    with opened(folder) as site:
        current = site.policy.current()
        versions = {one.version: one for one in site.policy.versions.all()}
    if version is not None:
        _show(Policy(_known(versions, version).text), version, "")
    else:
        _show(current.policy, current.version, current.problem)


def _known(versions: "Mapping[int, T]", version: int) -> "T":
    if version not in versions:
        raise click.BadParameter(f"there is no version {version}", param_hint="--version")
    return versions[version]


def _show(policy: "Policy", number: int | None, problem: str) -> None:
    from medperf.policy.templates import show as shown

    rules = [
        {
            "id": rule.id,
            "effect": rule.effect,
            "reason": rule.reason,
            "template": rule.choice.template if rule.choice else None,
            "values": dict(rule.choice.values) if rule.choice else None,
        }
        for rule in shown(policy)
    ]
    if wants_json():
        record = {"version": number, "digest": policy.digest, "problem": problem}
        write_json({**record, "rules": rules, "text": policy.text})
        return
    if problem:
        write(f"There is no valid policy, so everything is denied: {problem}")
        return
    write(f"version {number} ({policy.digest})\n")
    show_rows(rules, RULE_COLUMNS, "")
    write(f"\n{policy.text.rstrip()}")


@command.command(
    example="""
    medperf policy test cases.yaml
    medperf policy test cases.yaml --file draft.cedar
    medperf policy test cases.yaml --benchmark 3
    medperf policy test cases.yaml --for benchmark --file draft.cedar
    """
)
@click.argument("cases", type=click.Path(path_type=Path, dir_okay=False))
@policy_options
@for_option
@benchmark_option
@folder_option
def test(
    cases: Path,
    file: Path | None,
    templates: tuple[str, ...],
    values: tuple[str, ...],
    whose: str,
    benchmark: str | None,
    folder: str | None,
) -> int:
    """Ask a draft, or the policy in force, a file of cases; the status says whether all pass."""
    from medperf.cli.documents import read_document
    from medperf.policy.cases import read_cases, run_cases
    from medperf.policy.decision import Policy

    scope = _scope("benchmark" if benchmark else whose)
    read = read_cases(read_document(cases).data, scope)
    if file or templates or values:
        text = policy_text(file, templates, values, scope)
        demand_valid(text, file.name if file else _DRAFT, scope)
        policy = Policy(text, scope)
    elif benchmark is not None:
        policy = Policy(benchmark_policy.current(benchmark)[0], scope)
    elif whose == "benchmark":
        raise click.BadParameter("name the --benchmark, or a draft", param_hint="--for")
    else:
        with opened(folder) as site:
            policy = site.policy.current().policy
    outcomes = run_cases(policy, read)
    show_rows([_case_record(one) for one in outcomes], CASE_COLUMNS, "")
    return 0 if all(one.has_passed for one in outcomes) else 1


@command.command(
    example="""
    medperf policy explain 3
    medperf policy explain 3 --action release
    medperf policy explain --association 7
    """
)
@click.argument("job", type=int, required=False)
@click.option("--action", type=click.Choice(["run", "release"]), help="Which decision.")
@click.option("--association", type=int, metavar="NUMBER", help="Instead of a job at a site.")
@folder_option
def explain(
    job: int | None, action: str | None, association: int | None, folder: str | None
) -> None:
    """Say what the policy decided about a job or an association, by which rules and facts."""
    if (job is None) == (association is None):
        raise click.UsageError("name a JOB of a site, or an --association")
    if association is not None:
        record, said = benchmark_policy.explanation(association)
        if wants_json():
            write_json({**record, "lines": list(said)})
        else:
            write("\n".join(said))
        return
    _explain_job(job or 0, action, folder)


def _explain_job(job: int, action: str | None, folder: str | None) -> None:
    from medperf.policy.actions import Action
    from medperf.policy.decision import Policy
    from medperf.policy.explaining import explain as explained
    from medperf.policy.facts_json import dump_facts

    with opened(folder) as site:
        is_final = site.jobs.get(job).is_final
        ruling = site.permission.rulings.latest(job, Action(action) if action else None)
        text = site.policy.versions.text_of(ruling.policy_digest or "") if ruling else None
        denial = site.permission.denial_now(job, ruling.action) if ruling and not is_final else None
    if ruling is None:
        show_done(f"The policy was not asked about job {job} yet.", {"job_id": job, "lines": []})
        return
    lines: tuple[str, ...]
    if text is None:
        lines = ("Denied: there was no valid policy.", *(f"- {error}" for error in ruling.errors))
    else:
        lines = explained(Policy(text).decide(ruling.action, ruling.facts), ruling.facts)
    if denial is not None:
        lines = (*lines, "", "Not any more. Asked now:", *explained(*denial))
    if wants_json():
        record = {"job_id": job, "action": ruling.action.value, "answer": ruling.answer.value}
        write_json(
            {
                **record,
                "rules": list(ruling.rules),
                "policy_digest": ruling.policy_digest,
                "at": format_time(ruling.at),
                "lines": list(lines),
                "facts": dump_facts(ruling.facts),
            }
        )
        return
    write("\n".join(lines))


@command.command(
    example="""
    medperf policy simulate --file draft.cedar
    medperf policy simulate --template most-per-model --with most=1
    medperf policy simulate --benchmark 3 --file draft.cedar
    """
)
@policy_options
@benchmark_option
@folder_option
def simulate(
    file: Path | None,
    templates: tuple[str, ...],
    values: tuple[str, ...],
    benchmark: str | None,
    folder: str | None,
) -> None:
    """Make every past decision again under a draft, and list those that would differ."""
    from medperf.policy.decision import Policy
    from medperf.policy.simulating import PastDecision
    from medperf.policy.simulating import simulate as simulated

    scope = _scope("site" if benchmark is None else "benchmark")
    text = policy_text(file, templates, values, scope)
    demand_valid(text, file.name if file else _DRAFT, scope)
    subject = "job_id" if benchmark is None else "association_id"
    if benchmark is not None:
        history = benchmark_policy.decisions(benchmark)
    else:
        with opened(folder) as site:
            rulings = site.permission.rulings.all()
        history = [PastDecision(str(r.job), r.action, r.facts, r.answer) for r in rulings]
    rows = [
        {
            subject: int(difference.past.subject),
            "action": difference.past.action.value,
            "at": format_time(difference.past.facts.now),
            "was": difference.past.answer.value,
            "would_be": difference.decision.answer.value,
            "rules": ", ".join(difference.decision.policy_ids),
        }
        for difference in simulated(history, Policy(text, scope))
    ]
    columns = (Column(subject.removesuffix("_id"), subject), *DIFFERENCE_COLUMNS)
    show_rows(rows, columns, f"All {len(history)} past decisions would be the same.")


@command.command(example="medperf policy history\nmedperf policy history --benchmark 3 --json")
@benchmark_option
@folder_option
def history(benchmark: str | None, folder: str | None) -> None:
    """List every policy that was ever in force, with its signed statement."""
    empty = "No policy was ever in force: everything is denied."
    if benchmark is not None:
        empty = "No policy of this benchmark was put in force yet."
        found = benchmark_policy.versions(benchmark)
        versions = [benchmark_policy.version_record(one) for one in found]
    else:
        with opened(folder) as site:
            versions = [_version_record(one) for one in site.policy.versions.all()]
    show_rows(versions, VERSION_COLUMNS, empty)


def _scope(whose: str) -> "Scope":
    from medperf.policy.actions import Scope

    return Scope.SERVER if whose == "benchmark" else Scope.SITE


def _templates(scope: "Scope") -> list[dict[str, Any]]:
    from medperf.policy.catalog import CATALOG

    return [
        {
            "name": template.name,
            "role": template.role.value,
            "title": template.title,
            "fields": ", ".join(parameter.name for parameter in template.parameters),
        }
        for template in CATALOG[scope].values()
    ]


def _version_record(version: "PolicyVersion") -> dict[str, Any]:
    from medperf.provenance.predicates import PolicyPredicate
    from medperf.provenance.statements import read_statement

    said = read_statement(version.envelope.content, PolicyPredicate).predicate
    return {
        "version": version.version,
        "digest": version.digest,
        "supersedes_digest": said.supersedes_digest,
        "in_force_at": format_time(version.in_force_at),
        "approved_by": ", ".join(f"{one.name} ({one.role})" for one in said.approved_by)
        or "the default",
        "statement": version.envelope.model_dump(mode="json"),
    }


def _case_record(outcome: "Outcome") -> dict[str, Any]:
    return {
        "name": outcome.case.name,
        "expected": outcome.case.expected.value,
        "answer": outcome.decision.answer.value,
        "rules": ", ".join(outcome.decision.policy_ids),
        "complaint": outcome.complaint,
    }

"""``medperf policy``: the rules of a site about its data, in force, tried out, and explained."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from medperf.cli.at_site import folder_option, opened, person_options
from medperf.cli.command import Noun, wants_json
from medperf.cli.output import show_done, show_rows, write, write_json
from medperf.cli.policy_options import composed, demand_valid, policy_options, policy_text
from medperf.cli.tables import Column
from medperf.domain.identifiers import format_time

if TYPE_CHECKING:
    from medperf.policy.cases import Outcome
    from medperf.site.store.policies import PolicyVersion

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
    Column("job", "job_id"),
    Column("action", "action"),
    Column("at", "at"),
    Column("was", "was"),
    Column("would be", "would_be"),
    Column("rules", "rules"),
)


@click.group(cls=Noun)
def command() -> None:
    """A site's own rules: who may use its data, for what, how often, until when."""


@command.command(
    example="""
    medperf policy new --list
    medperf policy new --template most-per-model --with most=3 > policy.cedar
    """
)
@click.option("--list", "lists", is_flag=True, help="List the templates and their fields.")
@click.option("--template", "templates", multiple=True, metavar="NAME", help="Use this template.")
@click.option(
    "--with", "values", multiple=True, metavar="NAME=VALUE", help="Fill in a field of a template."
)
def new(lists: bool, templates: tuple[str, ...], values: tuple[str, ...]) -> None:
    """Write a draft to stdout, made of templates; without any, the default: ask for everything."""
    if lists:
        show_rows(_templates(), TEMPLATE_COLUMNS, "")
        return
    text = composed(templates or ("ask",), values)
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
    """,
)
@policy_options
@person_options
@folder_option
def set_policy(
    file: Path | None,
    templates: tuple[str, ...],
    values: tuple[str, ...],
    name_of_person: str | None,
    role: str | None,
    folder: str | None,
) -> None:
    """Put a policy in force here, as a signed version; a running agent takes it up at once."""
    from medperf.provenance.predicates import Approval

    text = policy_text(file, templates, values)
    demand_valid(text, file.name if file else _DRAFT)
    with opened(folder) as site:
        person = site.person(name_of_person, role or "data owner")
        approval = Approval(name=person.name, role=person.role, at=site.clock())
        version = site.policy.put_in_force(text, (approval,))
        rules = [rule.id for rule in site.policy.current().policy.rules]
    said = f"policy version {version.version} is in force: {', '.join(rules)}."
    show_done(said, _version_record(version), "medperf policy show")


@command.command(example="medperf policy show\nmedperf policy show --version 2 --json")
@click.option("--version", type=int, help="This version instead of the one in force.")
@folder_option
def show(version: int | None, folder: str | None) -> None:
    """Show the rules in force, or what is wrong so that everything is denied."""
    from medperf.policy.decision import Policy
    from medperf.policy.templates import show as shown

    with opened(folder) as site:
        current = site.policy.current()
        versions = {one.version: one for one in site.policy.versions.all()}
    if version is not None and version not in versions:
        raise click.BadParameter(f"there is no version {version}", param_hint="--version")
    policy = current.policy if version is None else Policy(versions[version].text)
    number = current.version if version is None else version
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
    problem = current.problem if version is None else ""
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
    example="medperf policy test cases.yaml\nmedperf policy test cases.yaml --file draft.cedar"
)
@click.argument("cases", type=click.Path(path_type=Path, dir_okay=False))
@policy_options
@folder_option
def test(
    cases: Path,
    file: Path | None,
    templates: tuple[str, ...],
    values: tuple[str, ...],
    folder: str | None,
) -> int:
    """Ask a draft, or the policy in force, a file of cases; the status says whether all pass."""
    from medperf.cli.documents import read_document
    from medperf.policy.cases import read_cases, run_cases
    from medperf.policy.decision import Policy

    read = read_cases(read_document(cases).data)
    if file or templates or values:
        text = policy_text(file, templates, values)
        demand_valid(text, file.name if file else _DRAFT)
        policy = Policy(text)
    else:
        with opened(folder) as site:
            policy = site.policy.current().policy
    outcomes = run_cases(policy, read)
    show_rows([_case_record(one) for one in outcomes], CASE_COLUMNS, "")
    return 0 if all(one.has_passed for one in outcomes) else 1


@command.command(example="medperf policy explain 3\nmedperf policy explain 3 --action release")
@click.argument("job", type=int)
@click.option("--action", type=click.Choice(["run", "release"]), help="Which decision.")
@folder_option
def explain(job: int, action: str | None, folder: str | None) -> None:
    """Say what the policy decided about a job, by which rules, and on which facts."""
    from medperf.policy.actions import Action
    from medperf.policy.decision import Policy
    from medperf.policy.explaining import explain as explained
    from medperf.policy.facts_json import dump_facts

    with opened(folder) as site:
        site.jobs.get(job)
        ruling = site.permission.rulings.latest(job, Action(action) if action else None)
        text = site.policy.versions.text_of(ruling.policy_digest or "") if ruling else None
    if ruling is None:
        show_done(f"The policy was not asked about job {job} yet.", {"job_id": job, "lines": []})
        return
    lines: tuple[str, ...]
    if text is None:
        lines = ("Denied: there was no valid policy.", *(f"- {error}" for error in ruling.errors))
    else:
        lines = explained(Policy(text).decide(ruling.action, ruling.facts), ruling.facts)
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
    """
)
@policy_options
@folder_option
def simulate(
    file: Path | None, templates: tuple[str, ...], values: tuple[str, ...], folder: str | None
) -> None:
    """Make every past decision again under a draft, and list those that would differ."""
    from medperf.policy.decision import Policy
    from medperf.policy.simulating import PastDecision
    from medperf.policy.simulating import simulate as simulated

    text = policy_text(file, templates, values)
    demand_valid(text, file.name if file else _DRAFT)
    with opened(folder) as site:
        rulings = site.permission.rulings.all()
    history = [PastDecision(str(r.job), r.action, r.facts, r.answer) for r in rulings]
    rows = [
        {
            "job_id": int(difference.past.subject),
            "action": difference.past.action.value,
            "at": format_time(difference.past.facts.now),
            "was": difference.past.answer.value,
            "would_be": difference.decision.answer.value,
            "rules": ", ".join(difference.decision.policy_ids),
        }
        for difference in simulated(history, Policy(text))
    ]
    show_rows(rows, DIFFERENCE_COLUMNS, f"All {len(history)} past decisions would be the same.")


@command.command(example="medperf policy history\nmedperf policy history --json")
@folder_option
def history(folder: str | None) -> None:
    """List every policy that was ever in force here, with its signed statement."""
    with opened(folder) as site:
        versions = [_version_record(one) for one in site.policy.versions.all()]
    show_rows(versions, VERSION_COLUMNS, "No policy was ever in force: everything is denied.")


def _templates() -> list[dict[str, Any]]:
    from medperf.policy.catalog import SITE_TEMPLATES

    return [
        {
            "name": template.name,
            "role": template.role.value,
            "title": template.title,
            "fields": ", ".join(parameter.name for parameter in template.parameters),
        }
        for template in SITE_TEMPLATES
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

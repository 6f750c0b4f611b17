"""The usual wishes as data: what a form shows, and the Cedar rule that grants the wish.

A *base* permits with a person's yes; an *ease* lets something happen unattended; a *limit* forbids
whatever is outside it. Any selection of them makes one policy set, because in Cedar a forbid wins
over every permit: limits add up, and no ease can undo a limit.

In ``cedar`` and ``reason``, ``{name}`` stands for a parameter.
"""

from dataclasses import dataclass
from enum import StrEnum

from medperf.policy.actions import Scope
from medperf.policy.parameters import Parameter, ParameterKind


class Role(StrEnum):
    """What a template does to the answer."""

    BASE = "base"
    EASE = "ease"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Template:
    """One wish."""

    name: str
    role: Role
    title: str
    reason: str
    cedar: str
    parameters: tuple[Parameter, ...] = ()
    scope: Scope = Scope.SITE


_USE = 'action in [Action::"run", Action::"release"]'
_RUN = 'action == Action::"run"'

_ORGANIZATIONS = Parameter("organizations", ParameterKind.ORGANIZATIONS, "Organization numbers")
_BENCHMARKS = Parameter("benchmarks", ParameterKind.BENCHMARKS, "Benchmark numbers")
_AGREEMENT = Parameter(
    "kind",
    ParameterKind.CHOICE,
    "Kind of agreement",
    "data_use",
    options=("data_use", "membership"),
)
_WHAT_JOINS = Parameter(
    "what", ParameterKind.CHOICE, "What takes part", options=("dataset", "model")
)


def _most(name: str, title: str, reason: str, count: str, action: str = _RUN) -> Template:
    cedar = (
        f"forbid (principal, {action}, resource)\nwhen {{ context.counts.{count} >= {{most}} }};"
    )
    most = Parameter("most", ParameterKind.COUNT, "How many at most")
    return Template(name, Role.LIMIT, title, reason, cedar, (most,))


SITE_TEMPLATES = (
    Template(
        "ask",
        Role.BASE,
        "Ask a person for everything",
        "Every run and every release needs the yes of a person of this site.",
        f"permit (principal, {_USE}, resource);",
    ),
    Template(
        "only-model-owners",
        Role.LIMIT,
        "These vendors only",
        "Only models of the organizations {organizations} may use this site's data.",
        f"forbid (principal, {_USE}, resource)\nunless {{ principal in [{{organizations}}] }};",
        (_ORGANIZATIONS,),
    ),
    Template(
        "only-benchmarks",
        Role.LIMIT,
        "These benchmarks only",
        "Only the benchmarks {benchmarks} may use this site's data.",
        f"forbid (principal, {_USE}, resource)\n"
        "unless { [{benchmarks}].contains(context.benchmark) };",
        (_BENCHMARKS,),
    ),
    Template(
        "only-purposes",
        Role.LIMIT,
        "For these purposes only",
        "This site's data may be used for {purposes} only.",
        f"forbid (principal, {_USE}, resource)\n"
        "unless { [{purposes}].contains(context.purpose) };",
        (Parameter("purposes", ParameterKind.TEXTS, "Purposes", ["benchmarking"]),),
    ),
    Template(
        "until",
        Role.LIMIT,
        "Until this date",
        "Nothing runs and nothing leaves from {end} on.",
        f"forbid (principal, {_USE}, resource)\nunless {{ context.now < {{end}} }};",
        (Parameter("end", ParameterKind.TIME, "The first moment that is too late"),),
    ),
    Template(
        "only-under-agreement",
        Role.LIMIT,
        "Only under an agreement",
        "The model's owner needs a {kind} agreement with this site's organization, in force now.",
        f"forbid (principal, {_USE}, resource)\n"
        "unless { context.agreements.with_model_owner.contains({kind}) };",
        (_AGREEMENT,),
    ),
    _most(
        "most-per-model",
        "At most N executions of each model",
        "Each model may run on a dataset {most} times.",
        "executions_of_model",
    ),
    _most(
        "most-per-model-owner",
        "At most N executions of each vendor's models",
        "The models of one organization may together run on a dataset {most} times.",
        "executions_of_model_owner",
    ),
    _most(
        "most-per-benchmark",
        "At most N executions for each benchmark",
        "A benchmark may run models on a dataset {most} times.",
        "executions_of_benchmark",
    ),
    _most(
        "most-in-total",
        "At most N executions in total",
        "Models may run on a dataset {most} times.",
        "executions",
    ),
    _most(
        "most-releases-per-model",
        "At most N released results of each model",
        "Of each model, {most} results over a dataset may leave.",
        "releases_of_model",
        'action == Action::"release"',
    ),
    Template(
        "minimum-isolation",
        Role.LIMIT,
        "Minimum isolation",
        "Models run without network and capabilities, on a read-only root; attested: {attested}.",
        f"forbid (principal, {_RUN}, resource)\n"
        "unless {\n"
        "  !context.isolation.has_network &&\n"
        "  context.isolation.has_read_only_root &&\n"
        "  !context.isolation.has_capabilities &&\n"
        "  (context.isolation.is_attested || !{attested})\n"
        "};",
        (Parameter("attested", ParameterKind.FLAG, "Attested hardware only", default=False),),
    ),
    Template(
        "minimum-cohort",
        Role.LIMIT,
        "Minimum cohort size",
        "Only datasets with at least {least} cases are used.",
        f"forbid (principal, {_USE}, resource)\nunless {{ resource.n_cases >= {{least}} }};",
        (Parameter("least", ParameterKind.COUNT, "How many cases at least", 10, minimum=1),),
    ),
    Template(
        "unattended-run",
        Role.EASE,
        "Run without asking, for these benchmarks",
        "Models of the benchmarks {benchmarks} run without asking.",
        'permit (principal, action == Action::"runUnattended", resource)\n'
        "when { [{benchmarks}].contains(context.benchmark) };",
        (_BENCHMARKS,),
    ),
    Template(
        "unattended-release",
        Role.EASE,
        "Release without asking, for these benchmarks",
        "Results of the benchmarks {benchmarks} leave without asking.",
        'permit (principal, action == Action::"releaseUnattended", resource)\n'
        "when { [{benchmarks}].contains(context.benchmark) };",
        (_BENCHMARKS,),
    ),
    Template(
        "several-people-release",
        Role.LIMIT,
        "Several people must release",
        "{people} people must release a result; whoever started the run counts: {starter_counts}.",
        'forbid (principal, action == Action::"releaseUnattended", resource)\n'
        "unless {\n"
        "  context.approvals.n >= {people} &&\n"
        "  ({starter_counts} || !context.approvals.includes_starter ||\n"
        "   context.approvals.n > {people})\n"
        "};",
        (
            Parameter("people", ParameterKind.COUNT, "How many people", 2, minimum=1),
            Parameter(
                "starter_counts",
                ParameterKind.FLAG,
                "The one who started the run counts as one of them",
                default=True,
            ),
        ),
    ),
)

SERVER_TEMPLATES = (
    Template(
        "ask",
        Role.BASE,
        "Ask a person for every association",
        "Every request to take part needs the yes of a person of the other side.",
        'permit (principal, action == Action::"associate", resource);',
        scope=Scope.SERVER,
    ),
    Template(
        "accept-all",
        Role.EASE,
        "Accept everyone",
        "Every {what} may take part without asking.",
        'permit (principal, action == Action::"associateUnattended", resource)\n'
        "when { context.kind == {what} };",
        (_WHAT_JOINS,),
        Scope.SERVER,
    ),
    Template(
        "accept-organizations",
        Role.EASE,
        "Accept these organizations",
        "Each {what} of the organizations {organizations} may take part without asking.",
        'permit (principal, action == Action::"associateUnattended", resource)\n'
        "when { context.kind == {what} && [{organizations}].contains(principal) };",
        (_WHAT_JOINS, _ORGANIZATIONS),
        Scope.SERVER,
    ),
    Template(
        "minimum-cohort",
        Role.LIMIT,
        "Minimum cohort size",
        "Only datasets with at least {least} cases may take part.",
        'forbid (principal, action == Action::"associate", resource)\n'
        'when { context.kind == "dataset" && context.n_cases < {least} };',
        (Parameter("least", ParameterKind.COUNT, "How many cases at least", 10, minimum=1),),
        Scope.SERVER,
    ),
    Template(
        "only-under-agreement",
        Role.LIMIT,
        "Only under an agreement",
        "Who asks needs a {kind} agreement with the benchmark's organization, in force now.",
        'forbid (principal, action == Action::"associate", resource)\n'
        "unless { context.agreements.with_benchmark_owner.contains({kind}) };",
        (_AGREEMENT,),
        Scope.SERVER,
    ),
)

CATALOG = {
    Scope.SITE: {template.name: template for template in SITE_TEMPLATES},
    Scope.SERVER: {template.name: template for template in SERVER_TEMPLATES},
}
"""The templates of each scope, by name."""

"""The report of a benchmark: from the question to the proof, for those who were not there."""

from collections.abc import Iterator

from medperf.domain.benchmarks import Audience, Detail, Moment
from medperf.evidence.checklists.tables import checklists
from medperf.evidence.cohorts import cohorts
from medperf.evidence.dossier import Dossier
from medperf.evidence.leaderboard_page import READING, sections
from medperf.evidence.methods import methods
from medperf.evidence.provenance_section import provenance
from medperf.evidence.versions import versions
from medperf.web.document import (
    Block,
    Document,
    Facts,
    Listing,
    Notice,
    Paragraph,
    Section,
    TableBlock,
    Tone,
)
from medperf.web.figures import Table
from medperf.web.numbers import NONE

_AUDIENCES = {
    Audience.OWNERS: "owners of the benchmark, the dataset and the model",
    Audience.PARTICIPANTS: "all who take part",
    Audience.PUBLIC: "the public",
}
_DETAILS = {Detail.POOLED: "pooled figures", Detail.PER_SITE: "figures of each site"}
_MOMENTS = {
    Moment.SUBMITTED: "as soon as they are submitted",
    Moment.APPROVED: "when they are approved",
    Moment.COMPLETE: "when all of them are there",
}
_FEW_SITES = 5


def report(dossier: Dossier) -> Document:
    """The whole report; the same dossier gives the same document."""
    benchmark, board = dossier.benchmark, dossier.leaderboard
    evaluator = dossier.evaluator
    parameters = evaluator.parameters if evaluator else None
    return Document(
        title=benchmark.name,
        subtitle=(
            f"Report on version {benchmark.version} of benchmark {benchmark.id} by"
            f" {dossier.committee}, as of {board.as_of:%Y-%m-%d %H:%M} UTC"
        ),
        sections=(
            Section("Question", "question", tuple(_question(dossier))),
            Section("Cohorts", "cohorts", tuple(cohorts(dossier))),
            Section("Methods", "methods", tuple(methods(benchmark, parameters))),
            *sections(board),
            *versions(dossier.trend),
            *_executions(dossier),
            Section("Provenance", "provenance", tuple(provenance(dossier))),
            Section("Limitations", "limitations", (Listing(tuple(_limitations(dossier))),)),
            checklists(dossier),
        ),
        footer=(
            "Written by MedPerf from the records of"
            f" {dossier.server} as its reader may see them. {READING}"
        ),
        keywords=("benchmark", "medical AI", benchmark.name),
    )


def _question(dossier: Dossier) -> Iterator[Block]:
    benchmark = dossier.benchmark
    policy = benchmark.release_policy
    yield Paragraph(benchmark.clinical_task)
    if benchmark.description:
        yield Paragraph(benchmark.description)
    if benchmark.state != "approved":
        yield Notice(f"This benchmark is {benchmark.state}.", Tone.CAUTION)
    shown = (
        f"{_DETAILS[policy.detail]} for {_AUDIENCES[policy.audience]}, {_MOMENTS[policy.moment]}"
    )
    if policy.pseudonymous_sites:
        shown += "; sites appear under pseudonyms"
    yield Facts(
        (
            ("Benchmark", f"{benchmark.name}, version {benchmark.version}"),
            ("Speaks for it", dossier.committee),
            ("Models", str(len(dossier.leaderboard.rows))),
            ("Datasets that may be seen", str(len(dossier.datasets))),
            ("Primary metric", dossier.leaderboard.primary or "none: free-form"),
            ("Release policy", shown),
        )
    )


def _executions(dossier: Dossier) -> Iterator[Section]:
    failed = [each for each in dossier.executions if each.state == "failed"]
    if not failed:
        return
    models = {model.id: model.name for model in dossier.models}
    rows = tuple(
        (
            models.get(each.model_id, f"model {each.model_id}"),
            dossier.site_of(each.site_id),
            each.failure_code or NONE,
            f"{each.ended_at:%Y-%m-%d %H:%M}" if each.ended_at else NONE,
        )
        for each in failed
    )
    table = Table(("Model", "Site", "Code", "Ended"), rows)
    yield Section(
        "Failed executions",
        "failed-executions",
        (TableBlock("Executions that ended without a result", table),),
    )


def _limitations(dossier: Dossier) -> Iterator[str]:
    benchmark, board = dossier.benchmark, dossier.leaderboard
    plan = benchmark.analysis_plan
    yield (
        f"The plan was frozen with version {benchmark.version}, registered"
        f" {benchmark.created_at:%Y-%m-%d}. Nothing outside it is reported here; what somebody"
        " computes from these numbers beyond it is exploratory."
    )
    n_sites = len({site.site for row in board.rows for cell in row.cells for site in cell.sites})
    if 0 < n_sites < _FEW_SITES:
        yield (
            f"Results come from {n_sites} sites. Statements about other sites are weak, however"
            " many cases there are."
        )
    if board.withheld_reason:
        yield f"Not everything is shown: {board.withheld_reason}."
    if not any(cell.interval for row in board.rows for cell in row.cells):
        yield "There are no intervals: differences between models may be chance."
    if any(row.n_missing for row in board.rows):
        yield "Some models have no result on some datasets, so models are compared on unequal data."
    if any(row.n_failed_cases for row in board.rows):
        yield "Failed cases count in no estimate; if they were hard ones, estimates are too good."
    if not plan.subgroups:
        yield "The plan has no subgroups, so nothing is known of differences between patients."
    if any(
        each.n_suppressed for row in board.rows for cell in row.cells for each in cell.subgroups
    ):
        yield "Sites suppressed groups that were too small; subgroup estimates leave them out."
    yield "Reference labels are taken as right; wrong labels are in no interval."
    yield (
        "The platform shows what ran and what was released. It cannot show that a site's data are"
        " what the site says, nor that a model's makers never saw them."
    )
    yield (
        "These are not evidence about patients unlike those at the sites, nor about what a"
        " clinician does with a model."
    )

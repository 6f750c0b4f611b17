"""What the platform knows of the topics that checklists ask about; nothing is guessed."""

from collections.abc import Iterator, Mapping

from medperf.domain.benchmarks import Pooling
from medperf.evidence.dossier import Dossier

NOT_KNOWN = "Not known to the platform; for the authors to say."
OF_DEVELOPMENT = "Asked of those who develop a model; this benchmark evaluates finished ones."


def answers(dossier: Dossier) -> Mapping[str, str]:
    """Answers by topic; a topic that this benchmark says nothing about is absent."""
    return dict(_answers(dossier))


def _answers(dossier: Dossier) -> Iterator[tuple[str, str]]:
    yield from _question(dossier)
    yield from _data(dossier)
    yield from _analysis(dossier)
    yield from _results(dossier)
    yield from _openness(dossier)


def _question(dossier: Dossier) -> Iterator[tuple[str, str]]:
    benchmark = dossier.benchmark
    yield "question", f"{benchmark.clinical_task}. See Question."
    if benchmark.description:
        yield "description", "See the description under Question."
    yield (
        "objective",
        "Evaluation and comparison of finished models, without development. See Question.",
    )
    yield (
        "design",
        (
            "Models ran on data that sites had registered before; whether patients were followed"
            " prospectively is for the authors to say."
        ),
    )


def _data(dossier: Dossier) -> Iterator[tuple[str, str]]:
    n_sites = len({dataset.site_id for dataset in dossier.datasets})
    if dossier.datasets:
        n_cases = sum(dataset.n_cases for dataset in dossier.datasets)
        yield "sources", f"{len(dossier.datasets)} datasets of {n_sites} sites. See Cohorts."
        yield "setting", f"{n_sites} sites. See Cohorts."
        yield (
            "sample_size",
            f"{n_cases} cases. See Cohorts. How many were intended, and why, is for the authors.",
        )
        first = min(dataset.created_at for dataset in dossier.datasets)
        last = max(dataset.created_at for dataset in dossier.datasets)
        yield "dates", f"Datasets were registered from {first:%Y-%m-%d} to {last:%Y-%m-%d}."
    if any(dataset.statistics for dataset in dossier.datasets):
        yield "cohort", "Statistics of each dataset are under Cohorts."
    yield (
        "preparation",
        (
            "One preparator unified the data at every site and checked them; its image is given by"
            " digest under Provenance."
        ),
    )
    yield (
        "imbalance",
        "None was used: estimates are of the cases as they came, and no model was changed.",
    )
    yield (
        "subsets",
        (
            "Every registered case was given to every model. What was left out before a dataset was"
            " registered is for the authors to say."
        ),
    )
    yield "inputs", "The preparator fixes the form of the inputs; see Provenance for its digest."
    yield "reference", "The preparator fixes the form of reference labels at every site."
    yield (
        "deidentification",
        "No case left a site. Only aggregate numbers did, after checks; see Methods.",
    )
    yield (
        "partitions",
        (
            "All cases are external test data: no model was trained or tuned on them through the"
            " platform. Whether a vendor saw them elsewhere is for the authors to say."
        ),
    )
    yield "external", "All data here are external to the models' development on the platform."


def _analysis(dossier: Dossier) -> Iterator[tuple[str, str]]:
    plan = dossier.benchmark.analysis_plan
    yield "metrics", "See Methods, with the definition and source of each metric."
    yield (
        "uncertainty",
        "See Methods: intervals count patients; comparisons count that they are many.",
    )
    pooled = (
        "Random effects over sites; tau, I² and a prediction interval are under Sites."
        if plan.pooling is Pooling.RANDOM_EFFECTS
        else "Estimates of each site stand beside the pooled ones. See Sites."
    )
    yield "heterogeneity", pooled
    if plan.subgroups:
        names = ", ".join(group.name for group in plan.subgroups)
        yield "subgroups", f"Fixed before the first execution: {names}. See Subgroups."
    else:
        yield (
            "subgroups",
            "The plan has no subgroups: differences between groups were not looked at.",
        )
    yield (
        "robustness",
        "Stability of the order is under Ranking; estimates of each site under Sites.",
    )
    evaluator = dossier.evaluator
    parameters = (evaluator.parameters if evaluator else None) or {}
    if "threshold" in parameters:
        yield (
            "thresholds",
            f"Scores count as positive from {parameters['threshold']} on, fixed before.",
        )
    yield "no_updating", "Models were not changed, recalibrated or retrained."
    yield "blinding", "Models ran without network and without access to reference labels."
    yield "models", "Models are containers, named by digest. See Provenance."
    yield (
        "training",
        (
            "Models came finished: none was trained, tuned or selected here. How each was made is"
            " for its owner to say."
        ),
    )
    yield (
        "software",
        (
            "Preparator, models and evaluator are containers, named by digest, which fixes every"
            " package in them. Packages are not listed."
        ),
    )
    yield (
        "execution",
        (
            "Isolated containers by digest, without network, one signed grant for each execution."
            " Runner and isolation are in each result's statement."
        ),
    )


def _results(dossier: Dossier) -> Iterator[tuple[str, str]]:
    board = dossier.leaderboard
    n_failed = sum(row.n_failed_cases for row in board.rows)
    n_missing = sum(row.n_missing for row in board.rows)
    n_executions = sum(row.n_failed_executions for row in board.rows)
    yield "results", "See Ranking, Sites and Subgroups."
    yield (
        "n",
        (
            "Every estimate stands with its n; see Sites. Numbers of events are under Cohorts where"
            " the preparator counts them."
        ),
    )
    yield (
        "errors",
        (
            "Cases that a model gave no usable answer for are counted under Failed and missing."
            " Which of its answers were wrong, and why, stays at the sites."
        ),
    )
    yield (
        "failures",
        (
            f"{n_failed} failed cases over all models, {n_executions} failed executions. See Failed"
            " and missing."
        ),
    )
    yield (
        "missing",
        (
            f"{n_missing} results are missing over all models; numbers that could not be computed"
            " are listed with their reasons. What was missing within cases the preparator handled,"
            " in the same way at every site."
        ),
    )
    yield (
        "flow",
        (
            "Cases registered are under Cohorts, cases evaluated and failed under Failed and"
            " missing. What happened before registration is for the authors to say."
        ),
    )
    if any(
        metric.name in {"sensitivity", "specificity"}
        for metric in dossier.benchmark.analysis_plan.metrics
    ):
        yield (
            "tabulation",
            "Sensitivity and specificity with their n stand for the table's margins.",
        )
    yield "limitations", "Those that the platform knows are under Limitations."


def _openness(dossier: Dossier) -> Iterator[tuple[str, str]]:
    benchmark = dossier.benchmark
    yield (
        "protocol",
        (
            f"The analysis plan is part of version {benchmark.version} of the benchmark and cannot"
            " change. See Methods for its digest."
        ),
    )
    yield (
        "registration",
        (
            f"Registered as benchmark {benchmark.id} on {benchmark.created_at:%Y-%m-%d}, in a"
            " transparency log. Registration elsewhere is for the authors to say."
        ),
    )
    yield "data_sharing", "Data stay at the sites. Fingerprints identify them; see Cohorts."
    yield (
        "code_sharing",
        (
            "Evaluator and preparator are named by digest; the platform is open source. Data stay"
            " at the sites."
        ),
    )
    owners = sorted({row.organization for row in dossier.leaderboard.rows})
    yield (
        "conflicts",
        (
            f"Models are of {', '.join(owners) or 'nobody yet'}; {dossier.committee} speaks for the"
            " benchmark. The server lets nobody approve results on data or of models of their own."
        ),
    )
    if dossier.proof is not None:
        yield "audit", "Every result verifies offline against the log's key. See Provenance."

from dataclasses import replace

import boards
import pytest

from medperf.domain.benchmarks import (
    AnalysisPlan,
    Audience,
    Detail,
    Moment,
    PlannedMetric,
    PlannedSubgroup,
    Pooling,
    Summary,
)
from medperf.domain.case_table import Evidence
from medperf.evidence import methods as methods_module
from medperf.evidence import report as report_module
from medperf.evidence.checklists.answers import NOT_KNOWN, OF_DEVELOPMENT, answers
from medperf.evidence.checklists.tables import CHECKLISTS, answer_to, checklists, status_of
from medperf.evidence.cohorts import flattened
from medperf.evidence.dossier import Dossier
from medperf.evidence.methods import methods
from medperf.evidence.report import report
from medperf.web import html
from medperf.web.document import Document, Listing, Notice, Paragraph, Section, TableBlock, Tone


def sections(document: Document) -> dict[str, Section]:
    return {section.anchor: section for section in document.sections}


def words(section: Section) -> str:
    said = []
    for block in section.blocks:
        if isinstance(block, Paragraph | Notice):
            said.append(block.text)
        elif isinstance(block, Listing):
            said += block.items
        elif isinstance(block, TableBlock):
            said += [cell for row in block.table.rows for cell in row]
    return "\n".join(said)


def planned(dossier: Dossier, plan: AnalysisPlan) -> str:
    benchmark = dossier.benchmark.model_copy(update={"analysis_plan": plan})
    return words(Section("", "", tuple(methods(benchmark, None))))


def test_a_report_goes_from_the_question_to_the_proof(dossier: Dossier) -> None:
    assert list(sections(report(dossier))) == [
        "question", "cohorts", "methods", "ranking", "sites", "notes", "failed-and-missing",
        "provenance", "limitations", "checklists",
    ]  # fmt: skip


def test_the_same_dossier_gives_the_same_report(dossier: Dossier) -> None:
    assert report(dossier) == report(dossier)
    assert html.render(report(dossier)) == html.render(report(dossier))


def test_earlier_versions_are_shown_with_their_alarms(dossier: Dossier) -> None:
    found = sections(report(replace(dossier, trend=boards.trend())))
    assert list(found).index("versions") < list(found).index("provenance")
    said = words(found["versions"])
    assert "Worse than the version before, for sure: Model Net: version 2." in said
    assert "Model Net, version 1: one result alone" in said


def test_a_trend_without_alarm_says_so_and_what_was_withheld(dossier: Dossier) -> None:
    [line, *_] = boards.trend().lines
    calm = line.model_copy(update={"points": line.points[:1] * 2})
    trend = boards.trend().model_copy(
        update={"lines": (calm,), "n_worse": 0, "withheld_reason": "pooled figures only"}
    )
    said = words(sections(report(replace(dossier, trend=trend)))["versions"])
    assert "No version is worse than the one before for sure." in said
    assert "Not everything is shown: pooled figures only." in said


def test_without_earlier_versions_a_report_has_no_section_of_them(dossier: Dossier) -> None:
    assert dossier.trend is not None
    assert "versions" not in sections(report(dossier))
    assert "versions" not in sections(report(replace(dossier, trend=None)))


def test_anchors_are_unique(dossier: Dossier) -> None:
    full = replace(dossier, leaderboard=boards.leaderboard(), trend=boards.trend())
    document = report(full)
    anchors = [section.anchor for section in document.sections]
    anchors += [part.anchor for section in document.sections for part in section.sections]
    anchors += [chart.name for chart in document.charts()]
    assert len(anchors) == len(set(anchors))


def test_every_dataset_is_named_with_its_site_and_fingerprint(dossier: Dossier) -> None:
    said = words(sections(report(dossier))["cohorts"])
    [dataset] = dossier.datasets
    assert "North" in said
    assert dataset.fingerprint in said


def test_what_may_not_be_seen_is_said(dossier: Dossier) -> None:
    blind = replace(dossier, datasets=(), proof=None, containers={})
    found = sections(report(blind))
    assert "No dataset is visible" in words(found["cohorts"])
    assert "Nothing was verified" in words(found["provenance"])
    assert "not visible" in words(found["provenance"])


def test_statistics_that_may_not_be_seen_are_said(dossier: Dossier) -> None:
    [dataset] = dossier.datasets
    hidden = dataset.model_copy(update={"statistics": None})
    said = words(sections(report(replace(dossier, datasets=(hidden,))))["cohorts"])
    assert "not visible" in said


def test_nested_statistics_become_one_row_each() -> None:
    nested = {"n": 3, "classes": {"a": 1, "b": [0.25, None]}}
    assert list(flattened(nested)) == [
        ("n", "3"), ("classes.a", "1"), ("classes.b.0", "0.25"), ("classes.b.1", "—"),
    ]  # fmt: skip


def test_the_verdict_is_in_the_report(dossier: Dossier) -> None:
    notice = sections(report(dossier))["provenance"].blocks[0]
    assert isinstance(notice, Notice)
    # The test's site names nobody who released the result, and the report says that.
    assert notice.tone is Tone.CAUTION
    assert "1 could not be made" in notice.text
    assert "neither a person nor a policy" in words(sections(report(dossier))["provenance"])


def test_metrics_come_with_their_definition_and_source(dossier: Dossier) -> None:
    plan = AnalysisPlan(metrics=(PlannedMetric(name="auroc"),), primary="auroc")
    said = planned(dossier, plan)
    assert "auroc (primary)" in said
    assert "Hanley" in said or "Mann" in said or "19" in said


def test_a_metric_of_ones_own_is_the_evaluators_to_define(dossier: Dossier) -> None:
    plan = AnalysisPlan(metrics=(PlannedMetric(name="my_score"),), primary="my_score")
    assert "defined by the evaluator" in planned(dossier, plan)


def test_methods_say_what_the_plan_says(dossier: Dossier) -> None:
    plan = AnalysisPlan(
        metrics=(
            PlannedMetric(
                name="accuracy",
                evidence="mean",
                summaries=(Summary.STANDARD_ERROR, Summary.REPLICATES),
                lower=0,
                upper=1,
            ),
        ),
        primary="accuracy",
        pooling=Pooling.RANDOM_EFFECTS,
        margin=0.02,
        level=0.9,
        replicates=300,
        smallest_cell=7,
        subgroups=(
            PlannedSubgroup(name="sex", values=("f", "m"), population={"f": 0.5, "m": 0.5}),
        ),
    )
    said = planned(dossier, plan)
    for part in (
        "random-effects", "worse by less than 0.02", "at 90\N{NO-BREAK SPACE}%", "300 replicates",
        "fewer than 7 cases", "f 50\N{NO-BREAK SPACE}%, m 50\N{NO-BREAK SPACE}%", "Holm", "mean over cases",
    ):  # fmt: skip
        assert part in said, part


def test_everything_that_a_plan_can_say_has_words() -> None:
    assert methods_module._FOLLOWS.keys() == set(Evidence)
    assert methods_module._SUMMARIES.keys() == set(Summary)
    assert methods_module._POOLED.keys() == set(Pooling)
    assert report_module._AUDIENCES.keys() == set(Audience)
    assert report_module._DETAILS.keys() == set(Detail)
    assert report_module._MOMENTS.keys() == set(Moment)


def test_without_summaries_methods_say_that_there_are_no_intervals(dossier: Dossier) -> None:
    plan = AnalysisPlan(metrics=(PlannedMetric(name="auroc"),), primary="auroc")
    assert "no interval" in planned(dossier, plan)


def test_a_free_form_plan_is_described_as_one(dossier: Dossier) -> None:
    plan = AnalysisPlan(free_form=True, free_form_keys=("a.*",))
    assert "neither pooled nor ranked" in planned(dossier, plan)


@pytest.mark.parametrize(
    ("board", "limitation"),
    [
        ("bare", "no intervals"),
        ("bare", "no result on some datasets"),
        ("bare", "Failed cases count in no estimate"),
        ("leaderboard", "suppressed groups"),
        ("leaderboard", "3 sites"),
    ],
)
def test_limitations_follow_from_the_results(dossier: Dossier, board: str, limitation: str) -> None:
    found = replace(dossier, leaderboard=getattr(boards, board)())
    assert limitation in words(sections(report(found))["limitations"])


def test_failed_executions_are_listed_with_their_codes(dossier: Dossier) -> None:
    [done] = dossier.executions
    failed = done.model_copy(update={"state": "failed", "failure_code": "out-of-memory"})
    found = sections(report(replace(dossier, executions=(failed,))))
    assert "out-of-memory" in words(found["failed-executions"])


def test_checklists_answer_what_is_known_and_say_where_nothing_is(dossier: Dossier) -> None:
    known = answers(dossier)
    for checklist, section in zip(CHECKLISTS, checklists(dossier).sections, strict=True):
        said = words(section)
        assert NOT_KNOWN in said
        assert OF_DEVELOPMENT in said
        states = [status_of(item, known) for item in checklist.items]
        assert min(states.count(state) for state in ("answered", "in part", "not known")) > 3


def test_what_is_asked_of_developers_is_never_taken_for_answered(dossier: Dossier) -> None:
    known = answers(dossier)
    for item in (item for checklist in CHECKLISTS for item in checklist.items):
        if item.of_development:
            assert status_of(item, known) == "development"
            assert answer_to(item, known).startswith(OF_DEVELOPMENT)


def test_every_checklist_says_what_its_numbers_were_compared_with(dossier: Dossier) -> None:
    for checklist, section in zip(CHECKLISTS, checklists(dossier).sections, strict=True):
        assert "not with the paper itself" in checklist.compared
        assert checklist.compared in words(section)


@pytest.mark.parametrize("checklist", CHECKLISTS, ids=lambda checklist: checklist.name)
def test_every_answer_that_a_checklist_names_can_be_given(
    dossier: Dossier, checklist: object
) -> None:
    full = replace(dossier, leaderboard=boards.leaderboard())
    plan = AnalysisPlan(metrics=(PlannedMetric(name="sensitivity"),), primary="sensitivity")
    benchmark = full.benchmark.model_copy(
        update={"analysis_plan": plan, "description": "About it."}
    )
    evaluator = next(iter(full.containers.values())).model_copy(
        update={"parameters": {"threshold": 0.5}}
    )
    full = replace(full, benchmark=benchmark, containers={benchmark.evaluator_id: evaluator})
    named = {item.answer for item in checklist.items if item.answer}  # type: ignore[attr-defined]
    assert named <= answers(full).keys()


@pytest.mark.parametrize(
    ("name", "n_items", "in_parts"),
    [
        ("stard-ai", 40, {"15": "abcd", "16": "abc", "17": "ab", "26": "ab", "40": "ab"}),
        ("claim", 44, {}),
        (
            "tripod-ai",
            27,
            {
                "3": "abc", "5": "ab", "6": "abc", "8": "abc", "9": "abc", "12": "abcdefg",
                "18": "abcdef", "20": "abc", "23": "ab", "27": "abc",
            },
        ),
    ],
)  # fmt: skip
def test_the_items_of_a_checklist_are_those_that_were_published(
    name: str, n_items: int, in_parts: dict[str, str]
) -> None:
    [checklist] = [each for each in CHECKLISTS if each.name == name]
    assert [item.number for item in checklist.items] == [
        f"{number}{part}"
        for number in range(1, n_items + 1)
        for part in in_parts.get(str(number), "") or [""]
    ]
    # In our own words, and short.
    assert all(len(item.topic) < 70 for item in checklist.items)

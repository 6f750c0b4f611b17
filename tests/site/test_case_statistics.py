"""Numbers that the site computes itself: what leaves is ours, paired, and gives no case away."""

import csv
import json
import sys

import numpy as np
import pytest
import yaml

import medperf.analysis
from medperf.analysis.bootstrap import resample, site_generator
from medperf.domain.benchmarks import AnalysisPlan
from medperf.domain.errors import NotSupportedError
from medperf.site.bootstrap_secret import read_secret
from medperf.site.case_statistics import CaseStatistics
from medperf.site.gate import EvaluatorFiles, examine

SECRET = b"s" * 32
FINGERPRINT = "blake3:" + "b" * 64
N = 60
PLAN = {
    "metrics": [
        {
            "name": "score", "lower": 0, "upper": 1, "evidence": "mean",
            "summaries": ["standard_error", "moments", "replicates"],
        },
        {
            "name": "f1", "lower": 0, "upper": 1, "evidence": "ratio", "per_class": True,
            "summaries": ["standard_error", "replicates"],
        },
        {
            "name": "auroc", "lower": 0, "upper": 1, "evidence": "auroc",
            "summaries": ["standard_error", "replicates", "histogram"],
        },
        {"name": "other", "lower": 0, "upper": 1},
    ],
    "primary": "auroc",
    "classes": ["a", "b"],
    "subgroups": [{"name": "sex", "values": ["f", "m"]}],
    "smallest_cell": 5,
    "replicates": 200,
    "score_edges": [0, 0.25, 0.5, 0.75, 1],
    "max_size_bytes": 200_000,
}  # fmt: skip


class Evaluator:
    """What an evaluator leaves: a table of ``N`` cases, and numbers that follow from it."""

    def __init__(self, folder, seed=0):
        self.folder = folder
        rng = np.random.default_rng(seed)
        truth = np.arange(N) % 2
        self.rows = [
            {
                "case": f"c{k}", "patient": f"p{k:03}", "sex": "fm"[k % 3 == 0], "failure": "",
                "score": rng.random(),
                "f1[a]:numerator": 2.0 * rng.integers(2), "f1[a]:denominator": 2.0,
                "f1[b]:numerator": 2.0 * rng.integers(2), "f1[b]:denominator": 2.0,
                "auroc:positive": truth[k], "auroc:score": (rng.random() + truth[k]) / 2,
            }
            for k in range(N)
        ]  # fmt: skip
        self.said = {}

    def leave(self, **changes):
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "cases.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, self.rows[0])
            writer.writeheader()
            writer.writerows(self.rows)
        usable = [row for row in self.rows if not row["failure"]]
        score = float(np.mean([row["score"] for row in usable if isinstance(row["score"], float)]))
        document = {
            "schema": "medperf.results/v1",
            "n_cases": len(self.rows),
            "n_failed": len(self.rows) - len(usable),
            "metrics": [
                {"name": "score", "value": score, "n": len(usable)} | changes,
                {"name": "other", "value": 0.5, "n": len(usable)},
            ],
        } | self.said
        (self.folder / "results.yaml").write_text(yaml.safe_dump(document))
        return EvaluatorFiles(
            self.folder / "results.yaml", self.folder / "cases.csv", FINGERPRINT, N
        )


@pytest.fixture
def evaluator(tmp_path):
    return Evaluator(tmp_path / "one")


def examined(left, plan=PLAN, secret=SECRET):
    return examine(left, AnalysisPlan.model_validate(plan), CaseStatistics(lambda: secret))


def document(left, plan=PLAN, secret=SECRET):
    found = examined(left, plan, secret)
    assert found.findings == ()
    return json.loads(found.document)


def numbers(document):
    return {
        (e["name"], e.get("class_label"), *(e.get("subgroup") or {}).values()): e
        for e in [*document["metrics"], *document["missing"]]
    }


def findings(left, plan=PLAN):
    found = examined(left, plan)
    assert found.document is None
    return {finding.code for finding in found.findings}


# --- what leaves ---


def test_every_number_of_the_plan_leaves_with_its_summaries(evaluator):
    found = numbers(document(evaluator.leave()))
    values = [row["score"] for row in evaluator.rows]
    score = found["score", None]
    assert score["value"] == round(np.mean(values), 4)
    assert score["summary"]["standard_error"] == pytest.approx(
        np.std(values, ddof=1) / np.sqrt(N), abs=1e-6
    )
    assert score["summary"]["m2"] == pytest.approx(np.var(values) * N, rel=1e-5)
    assert len(score["summary"]["replicates"]) == 200
    assert set(found["auroc", None]["summary"]) > {"positive_counts", "negative_edges"}
    assert set(found["score", None, "f"]["summary"]) == {
        "standard_error", "n_patients", "m2", "m3", "m4",
    }  # fmt: skip
    assert set(found["auroc", None, "m"]["summary"]) == {"standard_error", "n_patients"}
    assert "summary" not in found["other", None]


def test_the_overall_value_of_classes_without_columns_is_their_mean(evaluator):
    found = numbers(document(evaluator.leave()))
    both = [found["f1", label]["value"] for label in "ab"]
    assert found["f1", None]["value"] == pytest.approx(np.mean(both), abs=1e-4)
    replicates = [found["f1", label]["summary"]["replicates"] for label in ("a", "b", None)]
    assert np.allclose(np.mean(replicates[:2], axis=0), replicates[2], atol=1e-5)


def test_numbers_that_the_evaluator_states_must_agree(evaluator):
    assert findings(evaluator.leave(value=0.9)) == {"disagrees"}
    assert findings(evaluator.leave(n=N - 1)) == {"disagrees"}


@pytest.mark.parametrize(
    "said",
    [
        {"n_cases": N - 1, "metrics": []},
        {"n_failed": 1},
        {"metrics": [], "missing": [{"name": "score", "reason": "no_cases"}]},
    ],
)
def test_counts_and_absences_must_agree_too(evaluator, said):
    evaluator.said = said
    assert findings(evaluator.leave()) == {"disagrees"}


def test_the_digits_of_what_leaves_are_not_the_evaluators(evaluator):
    plain = document(evaluator.leave())
    value = float(np.mean([row["score"] for row in evaluator.rows]))
    assert document(evaluator.leave(value=round(value, 4) + 4e-5)) == plain


# --- attacks on replicates, through the real path ---


def attack(replicates, weights):
    """Least squares for the values of patients from released replicates and supposed weights."""
    released = np.asarray(replicates)
    found, *_ = np.linalg.lstsq(weights, released * weights.sum(axis=1), rcond=None)
    return found


def weights_of(secret):
    names = [f"p{k:03}" for k in range(N)]
    return resample(site_generator(secret, FINGERPRINT), names, 200).weights


def test_with_the_leaked_secret_an_attacker_recovers_every_case(evaluator):
    released = numbers(document(evaluator.leave()))["score", None]["summary"]["replicates"]
    values = np.array([row["score"] for row in evaluator.rows])
    assert np.abs(attack(released, weights_of(SECRET)) - values).max() < 1e-3


def test_without_the_secret_an_attacker_learns_nothing_about_a_case(evaluator):
    released = numbers(document(evaluator.leave()))["score", None]["summary"]["replicates"]
    values = np.array([row["score"] for row in evaluator.rows])
    guesses = [attack(released, weights_of(bytes([k]) * 32)) for k in range(20)]
    # No better than answering the released mean for every case, and no relation to the truth.
    assert np.mean([np.sqrt(np.mean((g - values) ** 2)) for g in guesses]) > values.std()
    likeness = [np.corrcoef(guess, values)[0, 1] for guess in guesses]
    assert abs(np.mean(likeness)) < 4 / np.sqrt(20 * N)


def test_nothing_that_leaves_contains_a_case_value(evaluator):
    content = examined(evaluator.leave()).document.decode()
    for row in evaluator.rows:
        assert repr(float(row["score"]))[:8] not in content
        assert row["patient"] not in content


# --- pairing ---


def test_replicates_of_models_are_paired_also_after_a_restart(tmp_path):
    secret = tmp_path / "bootstrap-secret"
    one = Evaluator(tmp_path / "one")
    two = Evaluator(tmp_path / "two")
    for a, b in zip(one.rows, two.rows, strict=True):
        b["score"] = a["score"] / 2
    first = document(one.leave(), secret=read_secret(secret))
    second = document(two.leave(), secret=read_secret(secret))
    replicates = [numbers(d)["score", None]["summary"]["replicates"] for d in (first, second)]
    assert np.allclose(replicates[0], 2 * np.array(replicates[1]), atol=2e-6)
    assert first["pairing"] == second["pairing"]
    assert document(one.leave(), secret=read_secret(secret)) == first


def test_weights_that_take_much_memory_are_dropped_and_drawn_again(tmp_path, monkeypatch):
    statistics = CaseStatistics(lambda: SECRET)
    plan = AnalysisPlan.model_validate(PLAN)
    left = [Evaluator(tmp_path / name).leave() for name in ("one", "two")]
    left[1] = EvaluatorFiles(left[1].results, left[1].cases, "blake3:" + "c" * 64, N)
    first = examine(left[0], plan, statistics).document
    examine(left[1], plan, statistics)
    assert len(statistics._kept) == 2
    monkeypatch.setattr("medperf.site.case_statistics._MOST_KEPT_BYTES", 1)
    assert examine(left[0], plan, statistics).document == first
    assert len(statistics._kept) == 1


def test_another_secret_has_another_name(evaluator):
    left = evaluator.leave()
    assert document(left)["pairing"] != document(left, secret=b"t" * 32)["pairing"]


def test_a_failed_case_leaves_the_weights_of_all_others_alone(tmp_path):
    whole, failing = Evaluator(tmp_path / "one"), Evaluator(tmp_path / "two")
    failing.rows[7] |= {"failure": "unreadable", "score": ""}
    for row in whole.rows:
        row["score"] = 0.5
    for row in failing.rows:
        row["score"] = row["score"] and 0.5 + 0.1 * (row["case"] == "c8")
    whole.rows[8]["score"] = 0.6
    a, b = (document(each.leave()) for each in (whole, failing))
    assert a["pairing"] == b["pairing"]
    assert (b["n_failed"], numbers(b)["score", None]["n"]) == (1, N - 1)
    pair = [numbers(d)["score", None]["summary"]["replicates"] for d in (a, b)]
    assert np.corrcoef(pair)[0, 1] > 0.99


def test_a_patient_with_many_cases_counts_once(evaluator):
    for row in evaluator.rows[:20]:
        row["patient"] = "p000"
        row["score"] = 0.9
    found = numbers(document(evaluator.leave()))["score", None]["summary"]
    assert found["n_patients"] == N - 19
    values = np.array([row["score"] for row in evaluator.rows])
    assert found["standard_error"] > 1.5 * values.std(ddof=1) / np.sqrt(N)
    assert found["standard_error"] == pytest.approx(np.std(found["replicates"]), rel=0.2)


# --- small cells ---


def test_a_cell_of_few_patients_is_suppressed_however_many_cases_it_has(evaluator):
    for row in evaluator.rows:
        row["patient"] = f"m{int(row['case'][1:]) % 4}" if row["sex"] == "m" else row["patient"]
    left = evaluator.leave()
    found = numbers(document(left))
    assert found["score", None, "m"]["reason"] == "suppressed"
    assert found["auroc", None, "m"]["reason"] == "suppressed"
    assert "value" in found["score", None]
    assert examined(left).suppressed == 5


def test_a_single_patient_has_no_replicates(evaluator):
    for row in evaluator.rows:
        row["patient"] = "p1"
    found = numbers(document(evaluator.leave(), PLAN | {"smallest_cell": 1}))
    assert "replicates" not in found["score", None].get("summary", {})


def test_an_auroc_needs_enough_of_each_class(evaluator):
    for row in evaluator.rows[10:]:
        row["auroc:positive"] = 0
    plan = PLAN | {"smallest_cell": 6}
    assert numbers(document(evaluator.leave(), plan))["auroc", None]["reason"] == "suppressed"


def test_a_suppressed_class_suppresses_the_mean_over_classes(evaluator):
    for row in evaluator.rows[4:]:
        row |= {"f1[a]:numerator": "", "f1[a]:denominator": ""}
    found = numbers(document(evaluator.leave()))
    assert found["f1", "a"]["reason"] == found["f1", None]["reason"] == "suppressed"
    assert "value" in found["f1", "b"]


def test_what_no_case_counts_towards_is_missing(evaluator):
    for row in evaluator.rows:
        row |= {"f1[a]:numerator": "empty_both", "f1[a]:denominator": "empty_both"}
        row["auroc:positive"] = 1
    found = numbers(document(evaluator.leave()))
    assert found["f1", "a"]["reason"] == "no_cases"
    assert found["auroc", None]["reason"] == "one_class"
    assert found["f1", None]["value"] == found["f1", "b"]["value"]


# --- tables that must not be believed ---


def test_a_plan_with_evidence_needs_the_table_and_its_columns(evaluator):
    left = evaluator.leave()
    left.cases.unlink()
    assert findings(left) == {"wrong-cases"}
    for row in evaluator.rows:
        del row["f1[b]:numerator"]
    assert findings(evaluator.leave()) == {"no-evidence"}


@pytest.mark.parametrize(
    "change",
    [
        {"score": "nan"},
        {"score": "inf"},
        {"score": "1e999"},
        {"score": "=cmd()"},
        {"case": "c1"},
        {"case": ""},
        {"patient": "a\nb"},
        {"patient": "x" * 300},
        {"f1[a]:numerator": ""},
        {"f1[a]:denominator": -1},
        {"auroc:positive": 0.5},
    ],
)
def test_a_hostile_cell_keeps_everything(evaluator, change):
    evaluator.rows[5] |= change
    assert findings(evaluator.leave()) == {"wrong-cases"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"case,patient\n",
        b"\x00\xff\xfe" * 100,
        b"case,patient,sex,failure,score\n" + b"a" * 200_000,
        b"case,patient,sex,failure\nc1,p1,f\n",
        b"case,case,patient,sex,failure\nc1,c2,p1,f,\n",
        b",".join(b"c%d" % k for k in range(20_000)),
        b'case,patient,sex,failure\n"c1,p1,f,',
    ],
    ids=["empty", "columns", "binary", "long", "cells", "twice", "wide", "quote"],
)
def test_a_hostile_table_keeps_everything(evaluator, content):
    left = evaluator.leave()
    left.cases.write_bytes(content)
    assert findings(left) == {"wrong-cases"}


def test_a_table_larger_than_any_is_not_read(evaluator):
    left = evaluator.leave()
    with left.cases.open("wb") as file:
        file.truncate(300 * 1024 * 1024)
    assert findings(left) == {"wrong-cases"}


def test_a_link_in_the_place_of_the_table_is_not_followed(evaluator, tmp_path):
    left = evaluator.leave()
    left.cases.rename(tmp_path / "elsewhere.csv")
    left.cases.symlink_to(tmp_path / "elsewhere.csv")
    assert findings(left) == {"wrong-cases"}


def test_names_are_names_and_never_paths(evaluator):
    evaluator.rows[0]["case"] = "../../etc/passwd"
    evaluator.rows[1]["patient"] = "/dev/zero"
    assert examined(evaluator.leave()).document is not None


def test_a_value_of_a_subgroup_that_nobody_declared_belongs_to_none(evaluator):
    before = numbers(document(evaluator.leave()))
    evaluator.rows[0]["sex"] = "Jane Doe, born 1970"
    left = evaluator.leave()
    after = numbers(document(left))
    assert after["score", None, "m"]["n"] == before["score", None, "m"]["n"] - 1
    assert "Jane" not in examined(left).document.decode()


def test_a_site_without_the_numerical_libraries_says_what_to_install(evaluator, monkeypatch):
    monkeypatch.delattr(medperf.analysis, "case_evidence", raising=False)
    monkeypatch.setitem(sys.modules, "medperf.analysis.case_evidence", None)
    with pytest.raises(NotSupportedError) as caught:
        examined(evaluator.leave())
    assert "medperf[site]" in caught.value.advice


def test_findings_never_quote_the_table(evaluator):
    evaluator.rows[5] |= {"score": "Jane Doe", "case": "c1"}
    found = examined(evaluator.leave())
    assert "Jane" not in " ".join(finding.message for finding in found.findings)

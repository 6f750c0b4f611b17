"""For every clinical task, what the stock evaluator says follows from the cases it leaves."""

import csv
import json

import numpy as np
import pytest
import yaml

from medperf.components.evaluator.parameters import parse_parameters
from medperf.components.evaluator.program import evaluate
from medperf.domain.benchmarks import AnalysisPlan
from medperf.site.case_statistics import CaseStatistics
from medperf.site.gate import EvaluatorFiles, examine

N = 24
SEXES = [{"name": "sex", "values": ["f", "m"]}]
CASE = {"case": "id"}


def write(path, columns, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([columns, *rows])


def tables(folder, labels, predictions, rng):
    """Tables of ``N`` cases: columns of functions of the random generator and the case."""
    sexes = [k % 2 for k in range(N)]
    rows = [
        [f"c{k}", f"p{k // 2}", "fm"[sexes[k]], *(f(k) for f in labels.values())] for k in range(N)
    ]
    write(folder / "labels/labels.csv", ["id", "patient", "sex", *labels], rows)
    rows = [[f"c{k}", *(f(k) for f in predictions.values())] for k in range(N - 1)]
    write(folder / "predictions/predictions.csv", ["id", *predictions], rows)


def classification(folder, rng):
    truth = {"y": lambda k: "ab"[k % 3 > 0]}
    tables(folder, truth, {"p": lambda k: round(float(rng.random()), 3)}, rng)
    return {
        "classes": ["a", "b"],
        "positive_class": "b",
        "labels": {**CASE, "patient": "patient", "reference": "y"},
        "predictions": {**CASE, "probabilities": {"b": "p"}},
        "metrics": [
            *({"name": name, "per_class": True} for name in ("auroc", "f1", "sensitivity")),
            "accuracy", "specificity", "positive_predictive_value", "negative_predictive_value",
            "brier", "net_benefit@0.2", "expected_cost@fp1-fn5",
        ],
    }  # fmt: skip


def three_classes(folder, rng):
    tables(
        folder,
        {"y": lambda k: "abc"[k % 3]},
        {
            "p": lambda k: 0.2,
            "q": lambda k: 0.3,
            "r": lambda k: 0.5,
            "s": lambda k: "abc"[k % 4 % 3],
        },
        rng,
    )
    return {
        "clinical_task": "classification",
        "classes": ["a", "b", "c"],
        "labels": {**CASE, "reference": "y"},
        "predictions": {**CASE, "class": "s", "probabilities": {"a": "p", "b": "q", "c": "r"}},
        "metrics": [
            "accuracy", "brier", {"name": "sensitivity", "per_class": True},
            {"name": "auroc", "per_class": True},
        ],
    }  # fmt: skip


def classes_only(folder, rng):
    tables(folder, {"y": lambda k: "ab"[k % 2]}, {"s": lambda k: "ab"[k % 3 % 2]}, rng)
    return {
        "clinical_task": "classification",
        "classes": ["a", "b"],
        "positive_class": "b",
        "labels": {**CASE, "reference": "y"},
        "predictions": {**CASE, "class": "s"},
        "metrics": ["accuracy", {"name": "auroc", "per_class": True}],
    }


def multilabel(folder, rng):
    tables(
        folder,
        {"e": lambda k: ["1", "0", ""][k % 3], "m": lambda k: k // 2 % 2},
        {name: lambda k: round(float(rng.random()), 3) for name in ("pe", "pm")},
        rng,
    )
    return {
        "classes": ["edema", "mass"],
        "labels": {**CASE, "reference": {"edema": "e", "mass": "m"}},
        "predictions": {**CASE, "probabilities": {"edema": "pe", "mass": "pm"}},
        "metrics": [
            {"name": "auroc", "per_class": True}, {"name": "f1", "per_class": True},
            "exact_match", "hamming_loss", "f1_micro",
        ],
    }  # fmt: skip


def regression(folder, rng):
    tables(folder, {"y": lambda k: k}, {"p": lambda k: k + float(rng.normal())}, rng)
    return {
        "labels": {**CASE, "reference": "y"},
        "predictions": {**CASE, "predicted": "p"},
        "metrics": ["mae", "mse", "within@1"],
    }


def time_to_event(folder, rng):
    predictions = {name: lambda k: round(float(rng.random()), 3) for name in ("risk", "s4", "s8")}
    tables(folder, {"t": lambda k: 1 + k % 12, "d": lambda k: int(k % 5 > 0)}, predictions, rng)
    return {
        "labels": {**CASE, "time": "t", "event": "d"},
        "predictions": {**CASE, "risk": "risk", "survival": {"4": "s4", "8": "s8"}},
        "metrics": [
            "concordance_harrell", "concordance_uno@8", "auc_at@6", "brier_at@4",
            "integrated_brier@4-8",
        ],
    }  # fmt: skip


def detection(folder, rng):
    tables(folder, {}, {}, rng)
    for name, scored in (("labels/objects.csv", False), ("predictions/predictions.csv", True)):
        rows = [
            [f"c{k}", *(box := rng.integers(0, 4, 2)), *(box + 4), "ab"[k % 2]]
            + ([round(float(rng.random()), 3)] if scored else [])
            for k in range(N)
            for _ in range(rng.integers(0, 4))
        ]
        columns = ["id", "x0", "y0", "x1", "y1", "kind", *(["score"] if scored else [])]
        write(folder / name, columns, rows)
    objects = {"case": "id", "corners": ["x0", "y0", "x1", "y1"], "class": "kind"}
    return {
        "classes": ["a", "b"],
        "threshold": 0.2,
        "labels": {**CASE, "objects": objects},
        "predictions": {"objects": objects, "score": "score"},
        "metrics": [
            {"name": name, "per_class": True}
            for name in (
                "detection_sensitivity_iou@0.3", "detection_precision_iou@0.3",
                "detection_f1_distance@2mm", "false_positives_per_case_iou@0.3",
                "panoptic_quality_iou@0.5",
            )
        ],
    }  # fmt: skip


def phases(folder, rng):
    tables(folder, {}, {}, rng)
    for k in range(N):
        for part in ("labels", "predictions"):
            rows = [[("cut", "sew")[int(frame + rng.integers(0, 5) > 9)]] for frame in range(20)]
            write(folder / f"{part}/c{k}.csv", ["phase"], rows)
    return {
        "classes": ["cut", "sew"],
        "labels": {**CASE, "files": "{case}.csv", "phase": "phase"},
        "predictions": {"files": "{case}.csv", "phase": "phase"},
        "metrics": ["frame_accuracy", {"name": "phase_jaccard", "per_class": True}, "edit_score"],
        "workers": 1,
    }


def segmentation(folder, rng):
    tables(folder, {}, {}, rng)
    for k in range(N):
        for part in ("labels", "predictions"):
            array = (rng.random((6, 6, 3)) > 0.5) * np.uint8(k % 4 > 0)
            np.save(folder / f"{part}/c{k}.npy", array)
    return {
        "regions": {"lesion": [1], "other": [2]},
        "spacing_mm": [1, 1, 2],
        "labels": {**CASE, "files": "{case}.npy"},
        "predictions": {"files": "{case}.npy"},
        "metrics": [
            {"name": "dsc", "per_class": True}, "hd95_surfel_or_50mm", "nsd_voxel@1mm",
        ],
        "workers": 1,
    }  # fmt: skip


TASKS = (
    classification, three_classes, classes_only, multilabel, regression, time_to_event, detection,
    phases, segmentation,
)  # fmt: skip


def run(folder, task, smallest_cell=2):
    given = task(folder, np.random.default_rng(1))
    parameters = {"clinical_task": task.__name__, **given, "subgroups": SEXES}
    (folder / "parameters.yaml").write_text(yaml.safe_dump(parameters))
    evaluate(
        predictions=folder / "predictions",
        labels=folder / "labels",
        parameters_file=folder / "parameters.yaml",
        output=folder / "results.yaml",
        local_outputs=folder / "local",
    )
    parsed = parse_parameters(parameters)
    metrics = [
        {
            "name": wanted.name,
            "per_class": wanted.per_class,
            "evidence": form and form.value,
            "summaries": ["standard_error", "replicates"] if form else [],
        }
        for wanted in parsed.metrics
        for form in [parsed.task.definition(wanted.name).evidence]
    ]
    plan = AnalysisPlan.model_validate(
        {
            "metrics": metrics,
            "primary": metrics[0]["name"],
            "classes": list(parsed.task.labels),
            "subgroups": SEXES,
            "smallest_cell": smallest_cell,
            "replicates": 100,
            "max_size_bytes": 1_000_000,
        }
    )
    left = EvaluatorFiles(folder / "results.yaml", folder / "local/cases.csv", "fingerprint", N)
    return plan, examine(left, plan, CaseStatistics(lambda: b"s" * 32))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.__name__)
def test_every_number_follows_from_the_cases(task, tmp_path, capsys):
    plan, found = run(tmp_path, task)
    assert found.findings == ()
    document = json.loads(found.document)
    said = yaml.safe_load((tmp_path / "results.yaml").read_text())
    assert len(document["metrics"]) + len(document["missing"]) == len(said["metrics"]) + len(
        said.get("missing", [])
    )
    assert all(metric.evidence for metric in plan.metrics)
    overall = [each for each in document["metrics"] if "subgroup" not in each]
    assert overall
    for each in overall:
        summary = each["summary"]
        assert len(summary["replicates"]) == 100
        # The error by formula is the spread of the replicates, as far as so few can tell.
        assert np.std(summary["replicates"]) == pytest.approx(
            summary["standard_error"], rel=0.4, abs=0.02
        )


def test_a_model_without_probabilities_has_no_auroc_and_says_so(tmp_path, capsys):
    _, found = run(tmp_path, classes_only)
    reasons = {each["reason"] for each in json.loads(found.document)["missing"]}
    assert reasons == {"no_probabilities"}

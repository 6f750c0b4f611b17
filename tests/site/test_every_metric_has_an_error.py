"""From the stock evaluator to the gate: every metric of every clinical task leaves with an error.

The evaluator runs with parameters alone; the plan gives each metric the evidence that its
definition names. What the site computes must agree with what the evaluator says.
"""

import json
import re

import numpy as np
import pytest
import yaml

from medperf.analysis.metrics import (
    classification_table,
    detection_table,
    multilabel_table,
    phases_table,
    regression_table,
    segmentation_table,
    survival_table,
)
from medperf.components.evaluator import program
from medperf.domain.benchmarks import AnalysisPlan
from medperf.site.case_statistics import CaseStatistics
from medperf.site.gate import EvaluatorFiles, examine

N = 60
NUMBERS = {
    "level": "0.80", "threshold": "0.3", "fp": "1", "fn": "5", "iou": "0.50", "upper": "0.75",
    "distance": "4", "tolerance": "1", "time": "50", "start": "20", "end": "80", "seconds": "2",
}  # fmt: skip
SEX = [{"name": "sex", "values": ["f", "m"]}]


def names_of(table):
    return {
        re.sub("<([a-z]+)>", lambda found: NUMBERS[found[1]], family): metric
        for family, metric in table.items()
    }


def written(path, head, rows):
    path.parent.mkdir(exist_ok=True)
    lines = [head, *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def who(k):
    return f"c{k:02}", f"p{k // 2:02}", "fm"[k % 2]


def classification(top, rng, n_classes):
    names = "abc"[:n_classes]
    truth = rng.permutation(np.arange(N) % n_classes)
    scores = rng.random((N, n_classes)) + 0.6 * np.eye(n_classes)[truth]
    share = scores / scores.sum(axis=1, keepdims=True)
    written(
        top / "labels/labels.csv", "case,patient,sex,truth",
        [(*who(k), names[truth[k]]) for k in range(N)],
    )  # fmt: skip
    written(
        top / "predictions/predictions.csv", f"case,{','.join(names)}",
        [(f"c{k:02}", *(repr(float(p)) for p in share[k])) for k in range(N)],
    )  # fmt: skip
    return {
        "clinical_task": "classification",
        "classes": list(names),
        **({"positive_class": "b"} if n_classes == 2 else {}),
        "labels": {"case": "case", "patient": "patient", "reference": "truth"},
        "predictions": {"case": "case", "probabilities": {name: name for name in names}},
    }


def multilabel(top, rng):
    present = rng.permutation(np.arange(N) % 2).reshape(N, 1) ^ (rng.random((N, 2)) < 0.3)
    scores = np.clip(0.5 * present + 0.5 * rng.random((N, 2)), 0, 1)
    written(
        top / "labels/labels.csv", "case,patient,sex,x,y",
        [(*who(k), *map(int, present[k])) for k in range(N)],
    )  # fmt: skip
    written(
        top / "predictions/predictions.csv", "case,x,y",
        [(f"c{k:02}", *(repr(float(s)) for s in scores[k])) for k in range(N)],
    )  # fmt: skip
    return {
        "clinical_task": "multilabel",
        "classes": ["x", "y"],
        "labels": {"case": "case", "patient": "patient", "reference": {"x": "x", "y": "y"}},
        "predictions": {"case": "case", "probabilities": {"x": "x", "y": "y"}},
    }


def regression(top, rng):
    truth = rng.normal(50, 10, N)
    written(
        top / "labels/labels.csv", "case,patient,sex,age",
        [(*who(k), repr(float(truth[k]))) for k in range(N)],
    )  # fmt: skip
    written(
        top / "predictions/predictions.csv", "case,age",
        [(f"c{k:02}", repr(float(truth[k] + rng.normal(0, 3)))) for k in range(N)],
    )  # fmt: skip
    return {
        "clinical_task": "regression",
        "labels": {"case": "case", "patient": "patient", "reference": "age"},
        "predictions": {"case": "case", "predicted": "age"},
    }


def detection(top, rng):
    written(top / "labels/labels.csv", "case,patient,sex", [who(k) for k in range(N)])
    truth = [(f"c{k:02}", *rng.uniform(0, 90, 2)) for k in range(N) for _ in range(k % 3)]
    written(
        top / "labels/objects.csv", "case,x0,y0,x1,y1",
        [(case, x, y, x + 10, y + 10) for case, x, y in truth],
    )  # fmt: skip
    found = [(case, x + rng.normal(0, 1.5), y, 0.5 + rng.random() / 2) for case, x, y in truth[1:]]
    found += [(f"c{k:02}", *rng.uniform(0, 90, 2), rng.random()) for k in range(0, N, 2)]
    written(
        top / "predictions/predictions.csv", "case,x0,y0,x1,y1,score",
        [(case, x, y, x + 10, y + 10, s) for case, x, y, s in found],
    )  # fmt: skip
    corners = {"case": "case", "corners": ["x0", "y0", "x1", "y1"]}
    return {
        "clinical_task": "detection",
        "classes": ["lesion"],
        "labels": {"case": "case", "patient": "patient", "objects": corners},
        "predictions": {"objects": corners, "score": "score"},
    }


TASKS = {
    "two classes": (lambda top, rng: classification(top, rng, 2), classification_table, ""),
    "three classes": (lambda top, rng: classification(top, rng, 3), classification_table, "abc"),
    "multilabel": (multilabel, multilabel_table, "xy"),
    "regression": (regression, regression_table, ""),
    "detection": (detection, detection_table, ""),
}


def test_every_definition_of_every_table_has_evidence():
    tables = [table.DEFINITIONS for _, table, _ in TASKS.values()]
    tables += [each.DEFINITIONS for each in (phases_table, segmentation_table, survival_table)]
    assert not [metric.name for each in tables for metric in each.values() if not metric.evidence]


@pytest.mark.parametrize("task", TASKS)
def test_every_metric_leaves_with_an_error(task, tmp_path):
    prepare, table, labels = TASKS[task]
    parameters = prepare(tmp_path, np.random.default_rng(12))
    metrics = names_of(table.DEFINITIONS)
    by_class = {
        name for name, metric in metrics.items() if labels and metric.average == "macro"
    }  # fmt: skip
    parameters |= {
        "metrics": [
            {"name": name, "per_class": True} if name in by_class else name for name in metrics
        ],
        "subgroups": SEX,
    }
    (tmp_path / "parameters.yaml").write_text(yaml.safe_dump(parameters))
    arguments = {
        "predictions": "predictions", "labels": "labels", "parameters_file": "parameters.yaml",
        "output_path": "results.yaml", "local_outputs_path": "local",
    }  # fmt: skip
    flags = [f"--{key}={tmp_path / path}" for key, path in arguments.items()]
    assert program.main(["evaluate", *flags]) == 0
    plan = AnalysisPlan.model_validate(
        {
            "metrics": [
                {
                    "name": name, "evidence": metric.evidence, "summaries": ["standard_error"],
                    "per_class": name in by_class, "decimals": 6,
                }
                for name, metric in metrics.items()
            ],
            "primary": next(iter(metrics)), "classes": list(labels), "subgroups": SEX,
            "smallest_cell": 5, "replicates": 100, "max_size_bytes": 1_000_000,
            "largest_share": 1,
        }
    )  # fmt: skip
    files = EvaluatorFiles(
        tmp_path / "results.yaml", tmp_path / "local/cases.csv", "blake3:" + "b" * 64, N
    )
    found = examine(files, plan, CaseStatistics(lambda: b"s" * 32))
    assert found.findings == ()
    document = json.loads(found.document)
    assert {entry["name"] for entry in document["metrics"]} == set(metrics)
    without = [
        (entry["name"], entry.get("class_label"), entry.get("subgroup"))
        for entry in document["metrics"]
        if "standard_error" not in entry.get("summary", {})
    ]
    assert without == []
    assert document["missing"] == []

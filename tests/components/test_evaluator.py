"""The stock evaluator: files in, typed results and per-case values out, clear errors."""

import csv
import json

import pytest

from medperf.components.evaluator import program
from medperf.domain.results import TypedResult


def test_results_are_typed_and_hold_every_wanted_number(workspace):
    document = workspace.run()
    typed = TypedResult.model_validate(document)
    assert (typed.n_cases, typed.n_failed) == (5, 0)
    overall = {m.name: m.value for m in typed.metrics if not m.subgroup and not m.class_label}
    assert overall == pytest.approx({"auroc": 5 / 6, "sensitivity": 0.5, "brier": 0.156})


def test_subgroups_and_classes_have_their_own_numbers(workspace):
    entries = workspace.run()["metrics"]
    found = {
        (e["name"], (e.get("subgroup") or {}).get("sex"), e.get("class_label")): (
            e["value"],
            e["n"],
        )
        for e in entries
    }
    assert found["auroc", "female", None] == (1.0, 3)
    assert found["auroc", "male", None] == (1.0, 2)
    assert found["sensitivity", None, "benign"] == pytest.approx((2 / 3, 3))
    assert found["sensitivity", "male", "malignant"] == (0.0, 1)


def test_a_number_without_a_value_is_listed_with_its_reason(workspace):
    labels = "case_id,patient_id,diagnosis,sex\nc1,a,malignant,female\nc2,a,benign,male\n"
    document = workspace.write(labels=labels).run()
    reasons = {(m["name"], *m["subgroup"].values()): m["reason"] for m in document["missing"]}
    assert reasons["auroc", "female"] == "one_class"
    assert TypedResult.model_validate(document).missing


def test_failed_cases_are_counted_and_their_reasons_stay_at_the_site(workspace, capsys):
    document = workspace.write(predictions="case_id,p\nc1,0.9\nc2,\nc3,nan\nc5,0.1\n").run()
    assert (document["n_cases"], document["n_failed"]) == (5, 3)
    with (workspace.root / "local/cases.csv").open() as stream:
        failures = {row["case"]: row["failure"] for row in csv.DictReader(stream)}
    assert failures == {
        "c1": "", "c2": "empty", "c3": "not_a_number", "c4": "no_prediction", "c5": "",
    }  # fmt: skip
    assert "1 of 5 cases failed: no_prediction" in capsys.readouterr().out


def test_per_case_values_have_patient_subgroups_and_metric_columns(workspace):
    workspace.run()
    with (workspace.root / "local/cases.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert rows[2] == {
        "case": "c3", "patient": "b", "sex": "male", "reference": "malignant",
        "predicted": "benign", "probability_benign": "0.6", "probability_malignant": "0.4",
        "auroc:positive": "1.0", "auroc:score": "0.4",
        "sensitivity:numerator": "0.0", "sensitivity:denominator": "1.0",
        "sensitivity[benign]:numerator": "", "sensitivity[benign]:denominator": "",
        "sensitivity[malignant]:numerator": "0.0", "sensitivity[malignant]:denominator": "1.0",
        "brier": repr(0.36), "failure": "", "detail": "",
    }  # fmt: skip


def test_the_mean_of_the_per_case_values_is_the_metric(workspace, parameters):
    document = workspace.write(parameters=parameters(metrics=["accuracy", "brier"])).run()
    with (workspace.root / "local/cases.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    for entry in document["metrics"]:
        if "subgroup" not in entry:
            mean = sum(float(row[entry["name"]]) for row in rows) / len(rows)
            assert entry["value"] == pytest.approx(mean)


def test_more_than_two_classes_take_the_most_probable_one(workspace, parameters):
    wanted = parameters(
        classes=["a", "b", "c"],
        predictions={"case": "id", "probabilities": {"a": "pa", "b": "pb", "c": "pc"}},
        labels={"case": "id", "reference": "y"},
        metrics=["accuracy", {"name": "auroc", "per_class": True}],
        subgroups=[],
    )
    del wanted["positive_class"]
    workspace.write(
        parameters=wanted,
        labels="id,y\n1,a\n2,b\n3,c\n4,c\n",
        predictions="id,pa,pb,pc\n1,.8,.1,.1\n2,.2,.5,.3\n3,.1,.1,.8\n4,.5,.2,.3\n",
    )
    entries = workspace.run()["metrics"]
    assert entries[0] == {"name": "accuracy", "value": 0.75, "n": 4}
    assert {e.get("class_label") for e in entries[1:]} == {None, "a", "b", "c"}


def test_a_class_column_is_the_models_own_decision(workspace, parameters):
    wanted = parameters(
        predictions={"case": "case_id", "class": "answer"}, metrics=["accuracy", "auroc"]
    )
    answers = "case_id,answer\nc1,malignant\nc2,benign\nc3,malignant\nc4,benign\nc5,benign\n"
    document = workspace.write(parameters=wanted, predictions=answers).run()
    assert document["metrics"][0] == {"name": "accuracy", "value": 1.0, "n": 5}
    assert document["missing"][0] == {"name": "auroc", "reason": "no_probabilities"}


def test_predictions_may_be_json_records(workspace, parameters):
    columns = {**parameters()["predictions"], "file": "answers.json"}
    records = [{"case_id": "c1", "p": 0.9}, {"case_id": "c2", "p": None}]
    (workspace.root / "predictions/answers.json").write_text(json.dumps(records))
    document = workspace.write(parameters=parameters(predictions=columns)).run()
    assert document["n_failed"] == 4


def test_progress_is_told_line_by_line(workspace, capsys):
    workspace.run()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "read 5 cases with reference labels"
    assert "computed auroc (1 of 3)" in lines


BROKEN_TABLES = {
    "column": ({"predictions": "case_id,q\nc1,0.1\n"}, "has no column 'p'; it has: case_id, q"),
    "cells": ({"predictions": "case_id,p\nc1\n"}, "line 2: 1 cells under 2 columns"),
    "twice": ({"predictions": "case_id,p\nc1,0.1\nc1,0.2\n"}, "holds the case 'c1' twice"),
    "outside": ({"predictions": "case_id,p\nc1,1.7\n"}, "1.7 in 'p', which is no probability"),
    "strangers": ({"predictions": "case_id,p\nx,0.7\n"}, "no case of predictions.csv is among"),
    "headers": ({"predictions": "case_id,p,p\nx,0.7,1\n"}, "has the column 'p' twice"),
    "quote": ({"predictions": 'case_id,p\n"c1,0.1\n'}, "is not CSV in UTF-8"),
    "rows": ({"predictions": "case_id,p\n"}, "holds no rows"),
    "nothing": ({"predictions": ""}, "predictions.csv is empty"),
    "class": ({"labels": "case_id,patient_id,diagnosis,sex\nc1,a,odd,male\n"}, "unknown class 'odd'"),
    "label twice": ({"labels": "case_id,patient_id,diagnosis,sex\nc1,a,benign,male\nc1,a,benign,male\n"}, "'c1' twice"),
    "no id": ({"labels": "case_id,patient_id,diagnosis,sex\n,a,benign,male\n"}, "'case_id' is empty"),
    "yaml": ({"parameters": "classes: [a"}, "parameters.yaml is not YAML"),
    "empty yaml": ({"parameters": ""}, "parameters file parameters.yaml is empty"),
    "list": ({"parameters": "[1]"}, "parameters must be a mapping"),
}  # fmt: skip


@pytest.mark.parametrize("fault", sorted(BROKEN_TABLES))
def test_broken_files_end_with_one_clear_line_and_status_2(workspace, capsys, fault):
    files, message = BROKEN_TABLES[fault]
    workspace.write(**files)
    assert program.main(workspace.arguments) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


BROKEN_PARAMETERS = {
    "clinical_task": ("triage", "this evaluator knows: classification, multilabel"),
    "classes": (["benign"], "at least two names"),
    "positive_class": ("odd", "must be one of exactly two classes"),
    "threshold": (2, "'threshold' must be a number from 0 to 1"),
    "metrics": (["auc"], "there is no metric 'auc'"),
    "labels": ({"case": "case_id"}, "the key 'reference' is missing"),
    "predictions": ({"case": "case_id"}, "needs probabilities, class, or both"),
    "subgroups": ([{"name": "sex", "values": []}], "'values' must be a list of names"),
    "colour": ("red", "unknown key 'colour'"),
}


@pytest.mark.parametrize("key", sorted(BROKEN_PARAMETERS))
def test_broken_parameters_name_the_key(workspace, parameters, capsys, key):
    value, message = BROKEN_PARAMETERS[key]
    workspace.write(parameters=parameters(**{key: value}))
    assert program.main(workspace.arguments) == 2
    assert message in capsys.readouterr().err


def test_an_empty_folder_is_named_with_the_file_it_must_hold(workspace, capsys):
    (workspace.root / "predictions/predictions.csv").unlink()
    assert program.main(workspace.arguments) == 2
    assert "is empty; it must hold predictions.csv" in capsys.readouterr().err


def test_probabilities_of_many_classes_must_add_up(workspace, parameters, capsys):
    both = {"case": "case_id", "probabilities": {"malignant": "p", "benign": "q"}}
    workspace.write(
        parameters=parameters(predictions=both), predictions="case_id,p,q\nc1,0.9,0.9\n"
    )
    assert program.main(workspace.arguments) == 2
    assert "add up to 1.8, not to 1" in capsys.readouterr().err


def test_nothing_is_written_when_the_input_is_broken(workspace):
    workspace.write(predictions="")
    program.main(workspace.arguments)
    assert not (workspace.root / "results").exists()
    assert not (workspace.root / "local").exists()

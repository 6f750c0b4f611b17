"""The stock evaluator covers every clinical task by parameters alone, whatever a case brings."""

import csv
import os
import sys
import types
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import yaml

from medperf.components.evaluator import parameters, program
from medperf.components.evaluator.parameters import CLINICAL_TASKS, read_parameters
from medperf.components.evaluator.scoring import given_cores, score_all
from medperf.components.evaluator.tasks.base import Failure, Member
from medperf.domain.benchmarks import METRIC_NAME_PATTERN
from medperf.domain.results import TypedResult

EXAMPLES = Path(program.__file__).parent / "component/examples"


class Evaluation:
    """Folders of one evaluation, and what came out of it."""

    def __init__(self, top: Path) -> None:
        self.top = top
        for folder in ("labels", "predictions"):
            (top / folder).mkdir()

    def table(self, place: str, text: str) -> None:
        (self.top / place).write_text(text.replace(" ", "\n"), encoding="utf-8")

    def nifti(self, place: str, array: np.ndarray, spacing: float = 1.0) -> None:
        affine = np.diag([spacing, spacing, spacing, 1.0])
        nibabel.save(nibabel.Nifti1Image(array, affine), self.top / place)

    def run(self, **given: Any) -> dict[str, Any]:
        (self.top / "parameters.yaml").write_text(yaml.safe_dump(given))
        self.status = program.main(
            [
                "evaluate",
                f"--predictions={self.top / 'predictions'}",
                f"--labels={self.top / 'labels'}",
                f"--parameters_file={self.top / 'parameters.yaml'}",
                f"--output_path={self.top / 'results.yaml'}",
                f"--local_outputs_path={self.top / 'local'}",
            ]
        )
        if self.status:
            return {}
        document: dict[str, Any] = yaml.safe_load((self.top / "results.yaml").read_text())
        TypedResult.model_validate(document)
        return document

    @property
    def cases(self) -> list[dict[str, str]]:
        with (self.top / "local/cases.csv").open() as stream:
            return list(csv.DictReader(stream))


@pytest.fixture
def evaluation(tmp_path):
    return Evaluation(tmp_path)


def values(document):
    return {
        (
            m["name"],
            m.get("class_label") or next(iter((m.get("subgroup") or {}).values()), None),
        ): m["value"]
        for m in document["metrics"]
    }


SEGMENTATION = {
    "clinical_task": "segmentation",
    "regions": {"whole": [1, 2], "core": [2]},
    "labels": {"files": "{case}_seg.nii.gz"},
    "predictions": {"files": "{case}.nii.gz"},
    "metrics": [{"name": "dsc", "per_class": True}, "hd95_voxel_directed_or_50mm"],
    "workers": 1,
}


def cube(label=1, size=4, at=2):
    volume = np.zeros((12, 12, 12), dtype=np.uint8)
    volume[at : at + size, 2:6, 2:6] = label
    return volume


def test_segmentation_scores_regions_of_label_maps(evaluation):
    evaluation.nifti("labels/a_seg.nii.gz", cube() + (cube(size=2) > 0).astype(np.uint8))
    evaluation.nifti("predictions/a.nii.gz", cube())
    document = evaluation.run(**SEGMENTATION)
    found = values(document)
    assert found["dsc", "whole"] == 1.0
    assert found["dsc", "core"] == 0.0
    assert found["dsc", None] == 0.5
    assert found["hd95_voxel_directed_or_50mm", None] == 25.0
    assert evaluation.cases[0]["dsc[core]"] == "0.0"


def test_spacing_is_that_of_the_file(evaluation):
    evaluation.nifti("labels/a_seg.nii.gz", cube(), 2.5)
    evaluation.nifti("predictions/a.nii.gz", cube(at=3), 2.5)
    found = values(evaluation.run(**{**SEGMENTATION, "regions": {"whole": [1]}}))
    assert found["hd95_voxel_directed_or_50mm", None] == 2.5


def test_a_broken_case_is_counted_and_its_reason_stays_at_the_site(evaluation, capsys):
    for case in ("good", "broken", "shape", "moved", "fraction"):
        evaluation.nifti(f"labels/{case}_seg.nii.gz", cube())
    evaluation.nifti("labels/none_seg.nii.gz", cube())
    evaluation.nifti("predictions/good.nii.gz", cube())
    (evaluation.top / "predictions/broken.nii.gz").write_bytes(b"not an image")
    evaluation.nifti("predictions/shape.nii.gz", cube()[:6])
    evaluation.nifti("predictions/moved.nii.gz", cube(), 2.0)
    evaluation.nifti("predictions/fraction.nii.gz", cube().astype(np.float32) / 2)
    document = evaluation.run(**SEGMENTATION)
    assert (document["n_cases"], document["n_failed"]) == (6, 5)
    assert {row["case"]: row["failure"] for row in evaluation.cases} == {
        "broken": "unreadable", "fraction": "unreadable", "good": "", "moved": "mismatch",
        "none": "no_prediction", "shape": "mismatch",
    }  # fmt: skip
    assert "not whole" in next(r["detail"] for r in evaluation.cases if r["case"] == "fraction")
    told = capsys.readouterr().out
    assert "scored 6 of 6 cases" in told
    assert "not whole" not in (evaluation.top / "results.yaml").read_text()


@pytest.fixture
def light_main(monkeypatch):
    """New processes load the main module again, and pytest's is heavy."""
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))


def test_several_processes_give_the_same_result(evaluation, light_main):
    for number in range(4):
        evaluation.nifti(f"labels/c{number}_seg.nii.gz", cube())
        evaluation.nifti(f"predictions/c{number}.nii.gz", cube(at=2 + number % 2))
    one = evaluation.run(**SEGMENTATION)
    assert evaluation.run(**{**SEGMENTATION, "workers": 2}) == one


def test_flat_images_need_a_spacing(evaluation):
    image = pytest.importorskip("PIL.Image")
    for place in ("labels/a_seg.png", "predictions/a.png"):
        image.fromarray(cube(label=255)[:, :, 3]).save(evaluation.top / place)
    flat = {
        **SEGMENTATION,
        "regions": {"lesion": 255},
        "labels": {"files": "{case}_seg.png"},
        "predictions": {"files": "{case}.png"},
        "metrics": ["dsc", "nsd_surfel@1mm"],
    }
    assert evaluation.run(**flat)["n_failed"] == 1
    assert "no spacing" in evaluation.cases[0]["detail"]
    assert values(evaluation.run(**flat, spacing_mm=[0.5, 0.5]))["nsd_surfel@1mm", None] == 1.0


def test_a_table_of_cases_brings_patients_and_subgroups(evaluation):
    evaluation.table("labels/cases.csv", "id,patient,sex a,p1,female b,p1,male")
    for case, at in (("a", 2), ("b", 4)):
        evaluation.nifti(f"labels/{case}_seg.nii.gz", cube())
        evaluation.nifti(f"predictions/{case}.nii.gz", cube(at=at))
    document = evaluation.run(
        **{
            **SEGMENTATION,
            "regions": {"whole": [1]},
            "metrics": ["dsc"],
            "labels": {
                "files": "{case}_seg.nii.gz", "file": "cases.csv", "case": "id",
                "patient": "patient",
            },
            "subgroups": [{"name": "sex", "values": ["female", "male"]}],
        }
    )  # fmt: skip
    assert values(document) == {("dsc", None): 0.75, ("dsc", "female"): 1.0, ("dsc", "male"): 0.5}
    assert [row["patient"] for row in evaluation.cases] == ["p1", "p1"]


def test_a_case_cannot_name_a_file_outside_of_its_folder(evaluation, capsys):
    evaluation.table("labels/cases.csv", "id ../secret")
    labels = {"files": "{case}.nii.gz", "file": "cases.csv", "case": "id"}
    evaluation.run(**{**SEGMENTATION, "labels": labels})
    assert evaluation.status == 2
    assert "outside of its folder" in capsys.readouterr().err


def test_a_library_that_is_not_there_is_named(evaluation, capsys, monkeypatch):
    evaluation.nifti("labels/a_seg.nii.gz", cube())
    evaluation.nifti("predictions/a.nii.gz", cube())
    monkeypatch.setitem(sys.modules, "nibabel", None)
    evaluation.run(**SEGMENTATION)
    assert "needs nibabel, which is not installed here" in capsys.readouterr().err


def test_a_clinical_task_whose_library_is_not_there_says_so(evaluation, capsys, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name}", name="scipy")

    monkeypatch.setattr(parameters.importlib, "import_module", absent)
    evaluation.run(**SEGMENTATION)
    assert "segmentation needs scipy, which is not installed here" in capsys.readouterr().err


def test_multilabel(evaluation):
    evaluation.table("labels/labels.csv", "id,edema,mass a,1,0 b,0,1 c,1, d,0,0")
    evaluation.table(
        "predictions/predictions.csv", "id,pe,pm a,0.9,0.2 b,0.4,0.8 c,0.7,0.1 d,0.6,0.9"
    )
    document = evaluation.run(
        clinical_task="multilabel",
        classes=["edema", "mass"],
        labels={"case": "id", "reference": {"edema": "edema", "mass": "mass"}},
        predictions={"case": "id", "probabilities": {"edema": "pe", "mass": "pm"}},
        metrics=[{"name": "auroc", "per_class": True}, "exact_match"],
    )
    found = values(document)
    assert found["auroc", "edema"] == 1.0
    assert found["auroc", "mass"] == 0.5
    assert found["exact_match", None] == pytest.approx(2 / 3)
    assert evaluation.cases[2]["reference_mass"] == ""


def test_regression(evaluation):
    evaluation.table("labels/labels.csv", "id,y a,10 b,20 c,30 d,40")
    evaluation.table("predictions/predictions.csv", "id,p a,11 b,18 c,many")
    document = evaluation.run(
        clinical_task="regression",
        labels={"case": "id", "reference": "y"},
        predictions={"case": "id", "predicted": "p"},
        metrics=["mae", "rmse"],
    )
    assert values(document)["mae", None] == 1.5
    assert document["n_failed"] == 2
    assert [row["failure"] for row in evaluation.cases] == ["", "", "not_a_number", "no_prediction"]


def test_time_to_event(evaluation):
    evaluation.table("labels/labels.csv", "id,t,status a,1,2 b,3,2 c,5,1 d,7,1")
    evaluation.table(
        "predictions/predictions.csv", "id,risk,s2,s4 a,9,0.1,0 b,4,0.8,0.3 c,2,1,1 d,1,1,1"
    )
    document = evaluation.run(
        clinical_task="time_to_event",
        labels={"case": "id", "time": "t", "event": "status", "event_values": ["2"]},
        predictions={"case": "id", "risk": "risk", "survival": {"4": "s4", "2": "s2"}},
        metrics=["concordance_harrell", "auc_at@4", "brier_at@4", "integrated_brier@2-4"],
    )
    found = values(document)
    assert found["concordance_harrell", None] == found["auc_at@4", None] == 1.0
    assert found["brier_at@4", None] == pytest.approx(0.09 / 4)


def test_detection_in_tables(evaluation):
    evaluation.table("labels/cases.csv", "id a b c")
    evaluation.table("labels/objects.csv", "id,x0,y0,x1,y1 a,0,0,10,10 b,5,5,9,9")
    evaluation.table("predictions/predictions.csv", "id,x0,y0,x1,y1,s a,0,0,10,9,0.9 c,0,0,5,5,0.8")
    corners = ["x0", "y0", "x1", "y1"]
    document = evaluation.run(
        clinical_task="detection",
        classes=["nodule"],
        labels={"case": "id", "file": "cases.csv", "objects": {"case": "id", "corners": corners}},
        predictions={"objects": {"case": "id", "corners": corners}, "score": "s"},
        metrics=[
            "ap_all_points_iou@0.50", "detection_sensitivity_distance@1mm",
            "false_positives_per_case_iou@0.50",
        ],
    )  # fmt: skip
    found = values(document)
    assert found["ap_all_points_iou@0.50", None] == 0.5
    assert found["detection_sensitivity_distance@1mm", None] == 0.5
    assert found["false_positives_per_case_iou@0.50", None] == pytest.approx(1 / 3)
    assert evaluation.cases[1]["n_reference_nodule"] == "1"


def test_a_model_that_finds_nothing_at_all_is_scored(evaluation):
    evaluation.table("labels/cases.csv", "id a")
    evaluation.table("labels/objects.csv", "id,x,y a,1,1")
    evaluation.table("predictions/predictions.csv", "id,x,y,s")
    place = {"case": "id", "centers": ["x", "y"]}
    document = evaluation.run(
        clinical_task="detection",
        classes=["nodule"],
        labels={"case": "id", "file": "cases.csv", "objects": place},
        predictions={"objects": place, "score": "s"},
        metrics=["froc_distance@5mm", "detection_precision_distance@5mm"],
    )
    assert values(document)["froc_distance@5mm", None] == 0.0
    assert document["missing"][0]["reason"] == "no_objects"


def test_instance_segmentation(evaluation):
    reference, prediction = np.zeros((2, 10, 10), dtype=np.uint8)
    reference[:4, :4], reference[6:, 6:] = 1, 2
    prediction[:4, :4] = 7
    np.save(evaluation.top / "labels/a.npy", reference)
    np.save(evaluation.top / "predictions/a.npy", prediction)
    document = evaluation.run(
        clinical_task="detection",
        labels={"files": "{case}.npy"},
        predictions={"files": "{case}.npy"},
        metrics=["panoptic_quality_iou@0.50"],
        workers=1,
    )
    assert values(document)["panoptic_quality_iou@0.50", None] == pytest.approx(2 / 3)


def test_phases(evaluation):
    evaluation.table("labels/v1.csv", "frame,phase 1,prepare 2,prepare 3,close 4,close")
    evaluation.table("predictions/v1.csv", "frame,phase 4,close 3,prepare 2,prepare 1,prepare")
    evaluation.table("labels/v2.csv", "frame,phase 1,prepare")
    evaluation.table("predictions/v2.csv", "frame,phase 1,dance")
    columns = {"files": "{case}.csv", "phase": "phase", "frame": "frame"}
    document = evaluation.run(
        clinical_task="phases",
        classes=["prepare", "close"],
        labels=columns,
        predictions=columns,
        metrics=["frame_accuracy", {"name": "phase_recall", "per_class": True}],
        workers=1,
    )
    found = values(document)
    assert found["frame_accuracy", None] == 0.75
    assert found["phase_recall", "close"] == 0.5
    assert document["n_failed"] == 1
    assert "unknown phase 'dance'" in evaluation.cases[1]["detail"]


class Poison:
    """Ends the process that receives it."""

    def __reduce__(self):
        return os._exit, (1,)


def raise_on_b(member: Member) -> str | Failure:
    if member.case == "b":
        raise RuntimeError("no such thing")
    return member.case


MEMBERS = [Member(case, case, {}, {}) for case in "abc"]


def test_a_case_that_takes_its_process_down_does_not_take_the_others(light_main):
    members = [MEMBERS[0], replace(MEMBERS[1], row=Poison()), MEMBERS[2]]
    found = score_all(members, attrgetter("case"), print, in_parallel=True, workers=2)
    assert found == ["a", Failure("crashed", "the process that scored this case was ended"), "c"]


def test_whatever_a_reader_raises_is_a_failure_of_its_case():
    found = score_all(MEMBERS, raise_on_b, print, in_parallel=False, workers=1)
    assert found == ["a", Failure("unreadable", "RuntimeError: no such thing"), "c"]


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_of_parameters_is_accepted(path):
    import re

    metrics = read_parameters(path).metrics
    assert all(re.match(METRIC_NAME_PATTERN, metric.name) for metric in metrics)


def test_every_clinical_task_has_an_example():
    shown = {yaml.safe_load(path.read_text())["clinical_task"] for path in EXAMPLES.glob("*.yaml")}
    assert shown == set(CLINICAL_TASKS) - {"classification"}


FAULTS = {
    "no_case": ({"labels": {"files": "seg.nii.gz"}}, "a file name with {case} in it once"),
    "regions": ({"regions": {"whole": ["one"]}}, "'regions' must be a mapping of names to lists"),
    "metric": ({"metrics": ["hd95"]}, "there is no metric 'hd95'"),
    "unknown": ({"predictions": {"files": "{case}.npy", "column": "x"}}, "unknown key 'column'"),
    "subgroups": ({"subgroups": [{"name": "s", "values": ["a"]}]}, "need a table of the cases"),
    "workers": ({"workers": -1}, "'workers' must be a number from 0 to 256"),
    "spacing": ({"spacing_mm": [0, 1]}, "'spacing_mm' must be a list of numbers above 0"),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_broken_parameters_are_named(evaluation, capsys, fault):
    change, message = FAULTS[fault]
    evaluation.run(**{**SEGMENTATION, **change})
    assert evaluation.status == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "250000 100000\n"}, 3),
        ({"cpu.max": "1600000 100000\n"}, 8),
        ({"cpu.max": "1000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2),
    ],
)
def test_as_many_cores_are_used_as_a_container_is_given(tmp_path, monkeypatch, files, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert given_cores(tmp_path) == cores

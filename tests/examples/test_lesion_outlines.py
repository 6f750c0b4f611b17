"""The example's parts: two hospitals' exports become the same volumes, algorithms outline a ball."""

import csv
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import yaml

from examples.lesion_outlines import build as building
from examples.lesion_outlines.data import (
    HOSPITALS,
    PACKAGE,
    Scan,
    load_scans,
    phantom,
    write_export,
)
from examples.staging.fetch import is_fetched
from medperf.components.packing import docker_config
from medperf.domain.benchmarks import AnalysisPlan
from medperf.domain.containers import ContainerConfig, Role, faults
from medperf.domain.results import TypedResult
from medperf.site.case_statistics import CaseStatistics
from medperf.site.case_table import read_case_table

HERE = Path(building.__file__).parent
NUMBER = {"harbor": "HB-009", "hillcrest": "20999"}


@pytest.fixture(scope="module")
def components(tmp_path_factory):
    return building.build_components(tmp_path_factory.mktemp("example"))


def module_of(part, name):
    """A module of a component's folder, which is no package."""
    spec = importlib.util.spec_from_file_location(f"lesions_{name}", HERE / part / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module")
def outlines():
    return module_of("model", "outlines")


@pytest.fixture(scope="module")
def volumes():
    return module_of("preparator", "volumes")


def run(component, *arguments):
    extra = [f"--parameters_file={component.parameters}"] if component.parameters else []
    return subprocess.run(
        [sys.executable, "-W", "ignore", "main.py", *map(str, arguments), *extra],
        cwd=component.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def prepare(components, raw, target):
    return run(
        components["preparator"], "prepare", f"--data_path={raw.data}",
        f"--labels_path={raw.labels}", f"--output_path={target / 'data'}",
        f"--output_labels_path={target / 'labels'}", f"--report_file={target / 'report.yaml'}",
    )  # fmt: skip


def table(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def report_of(target):
    return yaml.safe_load((target / "report.yaml").read_text(encoding="utf-8"))


def two_balls():
    scan = phantom()
    outline = np.concatenate([scan.outline, scan.outline], axis=0)
    voxels = np.concatenate([scan.voxels, scan.voxels], axis=0)
    return Scan(voxels, outline, scan.affine, "MR")


@pytest.mark.parametrize("hospital", sorted(HOSPITALS))
@pytest.mark.parametrize("modality", ["MR", "CT"])
def test_every_export_becomes_what_was_measured(volumes, hospital, modality, tmp_path):
    drawn = phantom()
    scan = Scan(drawn.voxels - 300, drawn.outline, drawn.affine, modality)
    if modality == "MR":
        scan = drawn
    raw = write_export(hospital, {NUMBER[hospital]: scan}, tmp_path)
    ((name, image, outline),) = volumes.patients(raw.data, raw.labels)
    turned = nibabel.as_closest_canonical(nibabel.nifti1.Nifti1Image(scan.voxels, scan.affine))
    found = volumes.read(image)
    assert name == NUMBER[hospital]
    assert np.array_equal(found.get_fdata(), turned.get_fdata())
    assert np.allclose(found.affine, turned.affine, atol=1e-5)
    assert np.allclose(volumes.read(outline).affine, found.affine, atol=1e-5)
    assert volumes.read(outline).get_fdata().sum() == scan.outline.sum()


def test_lesions_of_a_patient_are_cases_of_that_patient_inside_their_boxes(components, tmp_path):
    raw = write_export("harbor", {"HB-009": two_balls()}, tmp_path / "raw")
    assert prepare(components, raw, tmp_path).returncode == 0
    rows = table(tmp_path / "labels/cases.csv")
    assert [(r["case_id"], r["patient_id"]) for r in rows] == [
        ("HB-009-1", "HB-009"), ("HB-009-2", "HB-009"),
    ]  # fmt: skip
    folders = [f"--{key}_path={tmp_path / key}" for key in ("data", "labels")]
    done = run(components["preparator"], "sanity_check", *folders)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_wrong_with_a_patient_waits_for_a_person(components, tmp_path):
    ball = phantom()
    speck = np.zeros_like(ball.outline)
    speck[5, 5, 5] = 1
    patients = {
        "HB-001": ball,
        "HB-002": ball,
        "HB-003": Scan(ball.voxels, np.zeros_like(speck), ball.affine, "MR"),
        "HB-004": Scan(ball.voxels, speck, ball.affine, "MR"),
        "HB-005": ball,
        "HB-006": ball,
    }
    raw = write_export("harbor", patients, tmp_path / "raw")
    (raw.labels / "HB-001_label.nrrd").unlink()
    (raw.data / "HB-002_image.nrrd").write_bytes(b"NRRD0004\n")
    (raw.data / "excluded_patients.txt").write_text("HB-005  # no consent\n")
    moved = Scan(ball.voxels, ball.outline, np.diag([-1.0, -1.0, 2.5, 1.0]), "MR")
    other = write_export("harbor", {"HB-006": moved}, tmp_path / "other")
    shutil.copy(other.labels / "HB-006_label.nrrd", raw.labels)
    assert prepare(components, raw, tmp_path).returncode == 1
    report = report_of(tmp_path)
    assert report["status_name"]["HB-005"] == "EXCLUDED"
    comments = {name: report["comment"][name] for name in patients if name != "HB-005"}
    assert comments.pop("HB-002").startswith("unreadable")
    assert comments == {
        "HB-001": "there is no outline",
        "HB-003": "the outline is empty",
        "HB-004": "the outline has a speck; is it a lesion or a slip of the hand?",
        "HB-006": "the outline lies on another grid than the image",
    }
    assert table(tmp_path / "data/cases.csv") == []


def test_a_series_with_a_missing_slice_is_no_volume(volumes, tmp_path):
    raw = write_export("hillcrest", {"20999": phantom()}, tmp_path)
    # The name says nothing about the place: find a slice that is not at an end.
    import pydicom

    inner = [p for p in raw.data.glob("*/*.dcm") if pydicom.dcmread(p).InstanceNumber == 5]
    inner[0].unlink()
    with pytest.raises(volumes.BadVolumeError, match="slices are missing"):
        volumes.read(raw.data / "20999")


def test_a_series_of_two_is_no_volume(volumes, tmp_path):
    raw = write_export("hillcrest", {"20999": phantom()}, tmp_path / "one")
    other = write_export("hillcrest", {"20998": phantom()}, tmp_path / "two")
    shutil.copy(next(other.data.glob("*/*.dcm")), raw.data / "20999" / "stray.dcm")
    with pytest.raises(volumes.BadVolumeError, match="several series"):
        volumes.read(raw.data / "20999")


def test_an_export_of_no_known_form_is_named_in_one_line(components, tmp_path):
    raw = type(write_export("harbor", {}, tmp_path / "raw"))(tmp_path / "raw/data", tmp_path)
    done = prepare(components, raw, tmp_path / "out")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "neither an NRRD image nor a DICOM series" in done.stderr


@pytest.mark.parametrize("name", sorted(building.MODELS))
def test_every_algorithm_outlines_a_ball_but_the_one_that_never_looks(outlines, name):
    scan = phantom()
    box = (slice(7, 34), slice(4, 31), slice(2, 13))
    settings = building.MODELS[name][2]
    mask = outlines.outline(settings, scan.voxels[box].astype(float), (1.0, 1.0, 3.0))
    truth = scan.outline[box] > 0
    dsc = 2 * (mask & truth).sum() / (mask.sum() + truth.sum())
    assert mask.shape == truth.shape
    assert (dsc > 0.75) == (name != "whole-box")


@pytest.mark.parametrize("name", sorted(building.MODELS))
def test_every_algorithm_answers_also_where_nothing_is_to_be_seen(outlines, name):
    settings = building.MODELS[name][2]
    with np.errstate(all="ignore"):
        mask = outlines.outline(settings, np.zeros((6, 5, 3)), (1.0, 1.0, 5.0))
    assert (mask.shape, mask.dtype) == ((6, 5, 3), np.bool_)


@pytest.mark.slow
def test_the_whole_workflow_gives_exactly_what_the_plan_declares(components, tmp_path):
    raw = write_export("hillcrest", {"20999": phantom(), "20998": two_balls()}, tmp_path / "raw")
    assert prepare(components, raw, tmp_path).returncode == 0
    folders = [f"--{key}_path={tmp_path / key}" for key in ("data", "labels")]
    statistics = tmp_path / "statistics.yaml"
    run(components["preparator"], "statistics", *folders, f"--output_path={statistics}")
    found = yaml.safe_load(statistics.read_text(encoding="utf-8"))
    assert (found["n_patients"], found["n_cases"]) == (2, 3)
    model = components["models"]["watershed"]
    done = run(model, "infer", folders[0], f"--output_path={tmp_path / 'predictions'}")
    assert done.returncode == 0, done.stderr
    done = run(
        components["evaluator"], "evaluate", f"--predictions={tmp_path / 'predictions'}",
        f"--labels={tmp_path / 'labels'}", f"--output_path={tmp_path / 'results.yaml'}",
        f"--local_outputs_path={tmp_path / 'local'}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = TypedResult.model_validate(yaml.safe_load((tmp_path / "results.yaml").read_text()))
    plan = AnalysisPlan.model_validate(yaml.safe_load(components["plan"].read_text()))
    assert {m.name for m in result.metrics} == {m.name for m in plan.metrics}
    site = CaseStatistics(lambda: b"a secret of this site only, long")
    cases = read_case_table(tmp_path / "local/cases.csv", plan)
    own = site.recompute(result, cases, plan, fingerprint="sha256:0")
    assert own.findings == ()
    assert {m["summary"]["n_patients"] for m in own.raw["metrics"]} == {2}
    rows = table(tmp_path / "local/cases.csv")
    assert [row["patient"] for row in rows] == ["20998", "20998", "20999"]
    assert all(float(row["dsc"]) > 0.8 for row in rows)


def test_every_component_keeps_the_container_contract_in_both_forms(components):
    roles = [
        (components["preparator"], Role.PREPARATOR),
        (components["evaluator"], Role.EVALUATOR),
        *((model, Role.MODEL) for model in components["models"].values()),
    ]
    for component, role in roles:
        config = yaml.safe_load((component.folder / "container_config.yaml").read_text())
        for form in (config, docker_config(component.folder, "medperf/x:1")):
            assert faults(ContainerConfig.model_validate(form), role) == []


def test_the_evaluator_asks_for_the_libraries_that_images_need(components):
    evaluator = components["evaluator"]
    text = (evaluator.folder / evaluator.requirements).read_text()
    assert {"nibabel", "scipy"} <= set(text.split())


@pytest.mark.slow
@pytest.mark.skipif(not is_fetched(PACKAGE), reason=f"{PACKAGE.filename} is not fetched")
def test_the_real_volumes_are_five_patients_with_six_lesions(volumes, tmp_path):
    scans = load_scans(tmp_path)
    shapes = {name: scan.voxels.shape for name, scan in scans.items()}
    assert shapes == {
        "brain1": (256, 256, 25), "brain2": (256, 256, 23), "breast1": (45, 120, 21),
        "lung1": (512, 512, 48), "lung2": (512, 512, 61),
    }  # fmt: skip
    found = {name: int(scan.outline.sum()) for name, scan in scans.items()}
    assert found == {
        "brain1": 4137, "brain2": 453, "breast1": 143, "lung1": 837, "lung2": 24644,
    }  # fmt: skip
    raw = write_export("hillcrest", {"20417": scans["brain2"]}, tmp_path / "export")
    image = volumes.read(raw.data / "20417")
    assert np.sort(image.get_fdata(), axis=None)[-1] == scans["brain2"].voxels.max()
    assert image.header.get_zooms() == pytest.approx((0.78125, 0.78125, 6.5), abs=1e-4)

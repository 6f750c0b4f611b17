"""A container is written, checked, tried, packed and registered from its folder."""

import shutil

import pytest
import yaml

from medperf.runners.archives import digest_of, pack


@pytest.fixture
def model(medperf, folder):
    assert medperf("container", "new", "model", "my-model").status == 0
    return folder / "my-model"


def _sent(registry):
    return next(body for method, target, body in registry.asked if method == "POST")


@pytest.mark.parametrize("role", ["preparator", "model", "evaluator"])
def test_a_new_container_keeps_the_contract(role, medperf, folder):
    made = medperf("container", "new", role, "it", "--json").json
    assert "container_config.yaml" in made["files"]
    assert medperf("container", "check", "it", "--role", role, "--json").json["faults"] == []


def test_nothing_is_overwritten_by_a_new_container(medperf, model):
    ran = medperf("container", "new", "model", "my-model")
    assert (ran.status, "is not empty" in ran.err) == (6, True)


def test_each_fault_of_a_config_has_its_line_and_remedy(medperf, model):
    file = model / "container_config.yaml"
    config = yaml.safe_load(file.read_text())
    config["tasks"]["infer"]["input_volumes"]["data_path"]["mount_path"] = "data"
    file.write_text(yaml.safe_dump({**config, "image": ""}))
    ran = medperf("container", "check", "my-model", "--json")
    assert (ran.status, ran.problem["code"]) == (2, "container-config")
    assert all(fault["line"] and fault["remedy"] for fault in ran.problem["context"]["faults"])


def test_a_folder_without_a_config_says_how_to_start(medperf, folder):
    ran = medperf("container", "check", ".")
    assert (ran.status, "medperf container new" in ran.err) == (2, True)


def test_packing_twice_gives_the_same_bytes(medperf, model, tmp_path):
    digests = {
        medperf("container", "pack", "my-model", tmp_path / f"{n}.tar.gz", "--json").json["digest"]
        for n in range(2)
    }
    assert digests == {digest_of(tmp_path / "0.tar.gz")}


def test_a_folder_of_code_is_registered_with_its_digest(logged_in, registry, model, tmp_path):
    (model / "p.yaml").write_text("threshold: 0.5\n")
    ran = logged_in(
        *("container", "register", "my-model", "--role", "model", "--name", "my model"),
        *("--parameters", model / "p.yaml"),
    )
    assert (ran.status, "medperf container submit 1" in ran.out) == (0, True)
    sent = _sent(registry)
    assert sent["image_digest"] == pack(model, tmp_path / "again.tar.gz")
    assert sent["config"]["image"] == str(model)
    assert sent["parameters"] == {"threshold": 0.5}


def test_what_is_hosted_must_be_what_lies_here(logged_in, registry, model, tmp_path):
    pack(model, tmp_path / "hosted.tar.gz")
    (model / "main.py").write_text("changed = True\n")
    ran = logged_in(
        *("container", "register", "my-model", "--role", "model", "--name", "m"),
        *("--image", tmp_path / "hosted.tar.gz"),
    )
    assert (ran.status, "not the code in" in ran.err) == (7, True)
    assert registry.asked == []


def test_additional_files_are_named_by_digest(logged_in, registry, model, tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"weights")
    logged_in(
        *("container", "register", "my-model", "--role", "model", "--name", "m"),
        *("--additional-files", tmp_path / "weights.bin"),
    )
    assert _sent(registry)["additional_files"] == {
        "url": str(tmp_path / "weights.bin"),
        "digest": digest_of(tmp_path / "weights.bin"),
    }


def test_an_image_that_is_named_by_digest_needs_no_engine(logged_in, registry, model):
    digest = "sha256:" + "a" * 64
    config = yaml.safe_load((model / "container_config.yaml").read_text())
    config |= {"container_type": "DockerImage", "image": f"example.org/model@{digest}"}
    (model / "container_config.yaml").write_text(yaml.safe_dump(config))
    ran = logged_in("container", "register", "my-model", "--role", "model", "--name", "m")
    assert (ran.status, _sent(registry)["image_digest"]) == (0, digest)


@pytest.mark.parametrize("text", ["- 1\n", "a: .inf\n", "a: 2026-01-01\n", "1: x\n", "a: [\n"])
def test_parameters_that_json_cannot_hold_are_refused(text, logged_in, registry, model, tmp_path):
    (tmp_path / "p.yaml").write_text(text)
    ran = logged_in(
        *("container", "register", "my-model", "--role", "model", "--name", "m"),
        *("--parameters", tmp_path / "p.yaml"),
    )
    assert (ran.status, "p.yaml" in ran.err) == (2, True)
    assert registry.asked == []


def test_a_missing_path_is_named(logged_in, folder):
    ran = logged_in("container", "register", "nowhere", "--role", "model", "--name", "m")
    assert (ran.status, "nowhere" in ran.err) == (2, True)


def test_a_folder_that_went_empty_is_named(logged_in, model):
    for path in model.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    ran = logged_in("container", "register", "my-model", "--role", "model", "--name", "m")
    assert (ran.status, "empty-input" in ran.err) == (2, True)


@pytest.mark.parametrize("word", ["data", "=x", "data_path="])
def test_a_mount_is_written_as_key_and_path(word, medperf, model):
    ran = medperf("container", "run", "my-model", "infer", "--input", word)
    assert (ran.status, "KEY=PATH" in ran.err) == (2, True)


def test_a_key_that_the_task_does_not_have_is_refused_with_those_it_has(medperf, model, folder):
    (folder / "data").mkdir()
    ran = medperf("container", "run", "my-model", "infer", "--input", "dat=data")
    assert (ran.status, "data_path, parameters_file" in ran.err) == (2, True)


@pytest.mark.containers
def test_outputs_that_nobody_asked_for_are_mounted_as_at_a_site_and_not_kept(medperf, folder):
    medperf("container", "new", "evaluator", "it")
    for name in ("labels", "predictions"):
        (folder / name).mkdir()
        head, value = ("case_id,label", "positive") if name == "labels" else ("case_id,score", "1")
        (folder / name / f"{name}.csv").write_text(f"{head}\na,{value}\n")
    given = ("--input", "predictions=predictions", "--input", "labels=labels")
    wanted = ("--output", "output_path=results.yaml", "--parameters", "it/parameters.yaml")
    ran = medperf("container", "run", "it", "evaluate", *given, *wanted, "--runner", "sandbox")
    assert ran.status == 0, ran.err
    assert "accuracy" in (folder / "results.yaml").read_text()


@pytest.mark.containers
def test_a_task_that_fails_shows_what_it_printed_and_what_was_not_mounted(medperf, model, folder):
    (folder / "data").mkdir()
    (folder / "data" / "other.csv").write_text("1")
    given = ("--input", "data_path=data", "--output", "output_path=out", "--runner", "sandbox")
    ran = medperf("container", "run", "my-model", "infer", *given)
    assert ran.status == 8
    assert "parameters_file is not mounted; give it with --parameters FILE." in ran.err
    assert "what it printed is above" in ran.err
    problem = medperf("container", "run", "my-model", "infer", *given, "--json").problem
    assert problem["code"] == "step-failed"
    assert problem["context"]["printed"]


def test_an_engine_that_cannot_run_source_gives_way_and_says_so(medperf, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    medperf("container", "new", "model", "mine")
    (tmp_path / "data").mkdir()
    (tmp_path / "mine" / "main.py").write_text("")
    given = ("--input", "data_path=data", "--output", "output_path=out", "--runner", "podman")
    ran = medperf("container", "run", "mine", "infer", *given)
    assert "podman runs no SourceArchive; sandbox does." in ran.err


def test_what_no_site_runs_yet_is_said_of_a_good_config(medperf, tmp_path):
    medperf("container", "new", "model", tmp_path / "mine")
    config = tmp_path / "mine" / "container_config.yaml"
    assert medperf("container", "check", config).err == ""
    text = config.read_text()
    config.write_text(text.replace(": SourceArchive", ": EncryptedDockerArchive"))
    ran = medperf("container", "check", config)
    assert (ran.status, "No site runs an EncryptedDockerArchive yet" in ran.err) == (0, True)

"""Every fault of a config file, with its line."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medperf.domain.containers import ContainerType, Role
from medperf.domain.errors import ContainerConfigError
from medperf.runners.config_file import MAX_BYTES, check, load, parse

GOOD = """\
container_type: DockerImage
image: org/name:1
tasks:
  infer:
    run_args:
      command: [python, main.py]
      shm_size: 8g
      gpus: all
      environment: {DEBUG: 1, ON: yes}
    input_volumes:
      data_path: {mount_path: /mlcommons/volumes/data, type: directory}
    output_volumes:
      output_path: {mount_path: /mlcommons/volumes/predictions, type: directory}
"""


def lines(text: str, role: Role | None = None) -> dict[int, str]:
    with pytest.raises(ContainerConfigError) as caught:
        parse(text, role)
    found: dict[int, str] = {}
    for fault in caught.value.context["faults"]:
        text = f"{fault['message']} ({fault['remedy']})\n"
        found[fault["line"]] = found.get(fault["line"], "") + text
    return found


def test_a_good_file_is_read() -> None:
    config = parse(GOOD, Role.MODEL)
    assert config.container_type is ContainerType.DOCKER_IMAGE
    assert config.tasks["infer"].run_args.command == ("python", "main.py")
    assert config.calling == "declared"


def test_an_environment_holds_texts_as_they_are_written() -> None:
    assert parse(GOOD).tasks["infer"].run_args.environment == {"DEBUG": "1", "ON": "yes"}


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("DockerImage", "Docker", 1, "unknown container type 'Docker' (use one of: DockerImage"),
        ("shm_size: 8g", "privileged: true", 7, "unknown key 'privileged' (use one of: command"),
        ("shm_size: 8g", "shm_size: big", 7, "'big' is no size (write it as in 8g"),
        ("gpus: all", "gpus: many", 8, "'many' names no GPUs (write all, how many"),
        ("gpus: all", "gpus: [0]", 8, "[0] names no GPUs"),
        ("gpus: all", "gpus: -1", 8, "-1 names no GPUs"),
        ("/mlcommons/volumes/data", "data", 11, "is a relative path"),
        ("/mlcommons/volumes/data", "/a/../b", 11, "climbs out"),
        ("/mlcommons/volumes/data", "/mlcommons/volumes/predictions", 13, "mount path of data_path"),
        ("data_path:", "data:", 11, "no mount 'data'"),
        ("type: directory}\n    out", "type: folder}\n    out", 11, "'file' or 'directory'"),
        ("mount_path: /mlcommons/volumes/data, ", "", 11, "the key 'mount_path' is missing"),
        ("image: org/name:1", "imag: x", 2, "unknown key 'imag' (use one of: container_type, image"),
        ("image: org/name:1\n", "", 1, "the key 'image' is missing"),
        ("image: org/name:1", "image: a\nimage: b", 3, "'image' is written twice"),
        ("  infer:\n", "  infer: [\n", 6, "this is not YAML"),
        ("command: [python, main.py]", "command: {a: b}", 6, "a command is a text or a list"),
        ("tasks:\n", "calling: mlcube\ntasks:\n", 3, "unknown key 'calling'"),
    ],
)  # fmt: skip
def test_a_fault_is_on_its_line(old: str, new: str, line: int, message: str) -> None:
    assert old in GOOD
    assert message in lines(GOOD.replace(old, new, 1))[line]


def test_all_faults_are_said_at_once() -> None:
    text = GOOD.replace("data_path", "data").replace("/mlcommons/volumes/pred", "pred")
    assert set(lines(text)) == {10, 11, 13}


def test_faults_of_form_hide_no_broken_rules() -> None:
    text = (
        GOOD.replace("DockerImage", "Docker")
        .replace("shm_size: 8g", "shm_sizes: 8x")
        .replace("/mlcommons/volumes/data, type: directory", "data, typ: directory")
        .replace("mount_path: /mlcommons/volumes/predictions, type: directory", "type: folder")
        + "      other: {mount_path: /a/../b, type: file}\ncolor: red\n"
    )
    found = lines(text, Role.EVALUATOR)
    assert set(found) == {1, 3, 7, 11, 13, 14, 15}
    assert "relative path" in found[11]
    assert "the key 'type' is missing" in found[11]
    assert "'mount_path' is missing" in found[13]
    assert "no mount 'other'" in found[14]
    assert "climbs out" in found[14]


def test_a_key_that_is_written_twice_hides_no_other_fault() -> None:
    found = lines(GOOD.replace("image: org", "image: a\nimage: org").replace("infer:", "infre:"))
    assert set(found) == {3}
    found = lines(GOOD.replace("image: org", "image: a\nimage: org").replace("data_path:", "data:"))
    assert set(found) == {3, 11, 12}


def test_too_much_that_is_wrong_is_said_alone() -> None:
    assert set(lines("container_type: DockerImage\nimage: x\ntasks: 3\ncolor: red\n")) == {3, 4}


def test_an_older_file_without_an_image_is_read_as_what_it_is() -> None:
    text = "name: x\ntasks:\n  infer:\n    parameters: {inputs: {}, outputs: {}}\n"
    [said] = lines(text).values()
    assert said == "no image is named (add docker.image)\n"


def test_a_file_that_holds_itself_is_refused() -> None:
    [said] = lines("a: &x [*x]\n").values()
    assert "holds itself" in said


def test_the_role_is_checked_too() -> None:
    assert "needs the task 'prepare'" in "".join(lines(GOOD, Role.PREPARATOR).values())


def test_merged_keys_may_be_written_again() -> None:
    text = GOOD.replace("tasks:", "tasks:").replace(
        "    output_volumes:\n      output_path: {mount_path: /mlcommons/volumes/predictions, type: directory}\n",
        "    output_volumes:\n      output_path: {<<: &d {mount_path: /a, type: directory}, mount_path: /b}\n",
    )
    assert parse(text).tasks["infer"].output_volumes["output_path"].mount_path == "/b"


@pytest.mark.parametrize("text", ["", "[]", "just text", "container_type: {}", "\t", "a: *b", "%"])
def test_what_is_no_config_is_refused(text: str) -> None:
    with pytest.raises(ContainerConfigError):
        parse(text)


def test_a_file_that_grows_when_read_is_refused() -> None:
    names = "abcdefghij"
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{this}: &{this} [{', '.join([f'*{last}'] * 9)}]\n"
        for last, this in itertools.pairwise(names)
    )
    assert "this is not YAML" in "".join(lines(bomb).values())


def test_deep_nesting_is_refused() -> None:
    assert "this is not YAML" in "".join(lines("[" * 5000).values())


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text)
    except ContainerConfigError as error:
        assert error.context["faults"]  # noqa: PT017  # either ending is right


def test_checking_a_file_answers_with_faults(tmp_path: Path) -> None:
    path = tmp_path / "container_config.yaml"
    path.write_text(GOOD)
    assert check(path, Role.MODEL) == []
    path.write_text(GOOD.replace("DockerImage", "Docker"))
    assert [fault.line for fault in check(path)] == [1]


def test_a_file_that_cannot_be_read_is_one_fault(tmp_path: Path) -> None:
    assert "cannot be read" in check(tmp_path / "missing.yaml")[0].message
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in check(tmp_path / "binary")[0].message
    (tmp_path / "big").write_text("#" * (MAX_BYTES + 1))
    with pytest.raises(ContainerConfigError, match="larger"):
        load(tmp_path / "big")


MLCUBE = """\
name: anything
docker:
  image: org/name:1
  gpu_args: --gpus=all
tasks:
  prepare:
    parameters:
      inputs: {data_path: raw, labels_path: raw_labels/, parameters_file: parameters.yaml}
      outputs:
        output_path: data/
        output_labels_path: {type: directory, default: labels}
        report_file: {type: file, default: report}
  infer:
    entrypoint: python /infer.py
    parameters:
      inputs: {data_path: data/}
      outputs: {output_path: predictions/}
"""


def test_an_mlcube_becomes_the_same_values() -> None:
    config = parse(MLCUBE)
    assert config.calling == "mlcube"
    assert config.container_type is ContainerType.DOCKER_IMAGE
    prepare = config.tasks["prepare"]
    kinds = {key: mount.type for _, key, mount in prepare.mounts()}
    assert kinds == {
        "data_path": "directory",
        "labels_path": "directory",
        "parameters_file": "file",
        "output_path": "directory",
        "output_labels_path": "directory",
        "report_file": "file",
    }
    assert prepare.run_args.gpus == "all"
    assert config.tasks["infer"].run_args.entrypoint == "python /infer.py"


def test_an_mlcube_for_singularity_names_a_file() -> None:
    text = MLCUBE.replace("docker:", "singularity:")
    assert parse(text).container_type is ContainerType.SINGULARITY_FILE


WEIGHTS = """\
docker: {image: org/name:1}
tasks:
  infer:
    parameters:
      inputs: {data_path: data/, weights: additional_files/weights.pt,
               atlas: {type: directory, default: additional_files/atlas/}, info: additional_files/}
      outputs: {output_path: {type: directory, default: predictions}}
"""


def test_keys_of_an_mlcube_may_name_what_lies_in_the_additional_files() -> None:
    infer = parse(WEIGHTS, Role.MODEL).tasks["infer"]
    assert set(infer.input_volumes) == {"data_path", "additional_files"}
    place = infer.input_volumes["additional_files"].mount_path
    assert infer.run_args.command == (
        f"--weights={place}/weights.pt",
        f"--atlas={place}/atlas",
        f"--info={place}",
    )


def test_a_key_of_an_mlcube_does_not_climb_out_of_the_additional_files() -> None:
    text = WEIGHTS.replace("additional_files/weights.pt", "additional_files/../../etc/passwd")
    assert any("no mount 'weights'" in message for message in lines(text).values())


@pytest.mark.parametrize(
    ("written", "gpus", "shm_size"),
    [
        ("docker: {image: a, gpu_args: --gpus=all}", "all", None),
        (
            "docker: {image: a, gpu_args: '--shm-size=2gb --gpus \"device=0,1\"'}",
            "device=0,1",
            "2g",
        ),
        ("docker: {image: a, cpu_args: --shm-size 512m}", None, "512m"),
        ("docker: {image: a, gpu_args: --runtime=nvidia}", "all", None),
        ("platform: {accelerator_count: 2}\ndocker: {image: a}", 2, None),
        ("platform: {accelerator_count: 0}\ndocker: {image: a}", None, None),
        ("platform: some\ndocker: {image: a, gpu_args: 7}", None, None),
    ],
)
def test_an_mlcube_asks_for_gpus_and_shared_memory(written, gpus, shm_size) -> None:
    text = WEIGHTS.replace("docker: {image: org/name:1}", written)
    run_args = parse(text, Role.MODEL).tasks["infer"].run_args
    assert (run_args.gpus, run_args.shm_size) == (gpus, shm_size)


def test_an_older_preparator_may_leave_labels_with_the_data() -> None:
    older = """\
docker: {image: org/name:1}
tasks:
  prepare:
    parameters:
      inputs: {data_path: raw, labels_path: raw}
      outputs: {output_path: data/}
  sanity_check:
    parameters: {inputs: {data_path: data/}}
  statistics:
    parameters: {inputs: {data_path: data/}, outputs: {output_path: statistics.yaml}}
"""
    assert list(parse(older, Role.PREPARATOR).tasks) == ["prepare", "sanity_check", "statistics"]


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("  image: org/name:1\n", "", 2, "no image is named"),
        ("data_path: data/", "data_path: []", 16, "no path is given"),
        ("inputs: {data_path: data/}", "inputs: [data_path]", 16, "inputs is not a mapping"),
        ("    parameters:\n      inputs: {data_path: data/}\n      outputs: {output_path: predictions/}\n", "", 13, "no parameters"),
        ("{data_path: raw,", "{dat: raw,", 8, "no mount 'dat'"),
    ],
)  # fmt: skip
def test_a_fault_of_an_mlcube_is_on_its_line(old: str, new: str, line: int, message: str) -> None:
    assert old in MLCUBE
    assert message in lines(MLCUBE.replace(old, new, 1))[line]

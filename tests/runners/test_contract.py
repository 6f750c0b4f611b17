"""The contract of a runner; every runner passes it, and so does the fake that stands for them."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC

import pytest
from runners.engines import Machine

from medperf.domain.containers import ContainerType
from medperf.domain.errors import (
    CancelledError,
    DigestMismatchError,
    NotSupportedError,
    OutputLimitError,
    StepOutputError,
    StepTimedOutError,
)
from medperf.runners.base import MIB
from medperf.runners.fake import Call

NO_SUCH_DIGEST = "sha256:" + "0" * 64


def _copy(call: Call) -> None:
    text = (call.paths["data_path"] / "a").read_text()
    (call.paths["output_path"] / "b").write_text(text)


def _hang(call: Call) -> None:
    while True:
        call.sleep(1)


def _flood(call: Call) -> None:
    (call.paths["output_path"] / "big").write_bytes(bytes(21 * MIB))


def _link(call: Call) -> None:
    (call.paths["output_path"] / "link").symlink_to("/etc/hostname")


def _parameters(call: Call) -> None:
    call.log(call.paths["parameters_file"].read_text())


def _resume(call: Call) -> None:
    with (call.paths["output_path"] / "attempts").open("a") as file:
        file.write("x")


COPY = (
    "import os; text = open(os.environ['MEDPERF_DATA_PATH'] + '/a').read();"
    "open(os.environ['MEDPERF_OUTPUT_PATH'] + '/b', 'w').write(text)"
)
PROGRAMS = {
    "copy": (COPY, _copy),
    "fail": ("import sys; sys.exit(3)", lambda _: 3),
    "talk": ("print('talk ' * 100_000)", lambda call: call.log("talk " * 100_000)),
    "speak": (
        "import sys; print('out', flush=True); print('err', file=sys.stderr)",
        lambda call: call.log("out\nerr\n"),
    ),
    "hang": ("import time; time.sleep(600)", _hang),
    "flood": (
        ("import os\n"
        "with open(os.environ['MEDPERF_OUTPUT_PATH'] + '/big', 'wb') as file:\n"
        "    for _ in range(30): file.write(bytes(1 << 20))"),
        _flood,
    ),
    "link": (
        "import os; os.symlink('/etc/hostname', os.environ['MEDPERF_OUTPUT_PATH'] + '/link')",
        _link,
    ),
    "parameters": ("import os; print(open(os.environ['MEDPERF_PARAMETERS_FILE']).read())", _parameters),
    "resume": ("import os; open(os.environ['MEDPERF_OUTPUT_PATH'] + '/attempts', 'a').write('x')", _resume),
}  # fmt: skip


@pytest.fixture
def program(machine: Machine):
    """The text of a program; the fake is told which function stands for it."""

    def choose(name: str) -> str:
        text, function = PROGRAMS[name]
        if machine.kind == "fake":
            machine.runner.register(machine.config.image, "infer", function)
        return text

    choose("copy")
    return choose


def test_a_step_reads_inputs_and_leaves_outputs(machine, program) -> None:
    outcome = machine.run(program("copy"))
    assert outcome.exit_code == 0
    assert (machine.output / "b").read_text() == "from the site"


def test_outputs_belong_to_the_caller(machine, program) -> None:
    machine.run(program("copy"))
    assert (machine.output / "b").stat().st_uid == os.geteuid()
    (machine.output / "b").write_text("ours to change")


def test_an_exit_code_is_an_answer_and_not_an_error(machine, program) -> None:
    assert machine.run(program("fail")).exit_code == 3


def test_standard_output_and_error_go_to_the_log(machine, program) -> None:
    outcome = machine.run(program("speak"))
    assert outcome.log_path == machine.log
    # Engines carry the two streams side by side; what comes first is not promised.
    assert sorted(machine.log.read_text().split()) == ["err", "out"]


def test_the_log_is_cut_at_its_limit(machine, program) -> None:
    machine.run(program("talk"))
    assert machine.log.stat().st_size < machine.limits.log_bytes + 100
    assert "[log cut here" in machine.log.read_text()


def test_only_the_caller_can_read_the_log(machine, program) -> None:
    machine.run(program("speak"))
    assert machine.log.stat().st_mode & 0o077 == 0


def test_a_step_that_runs_too_long_is_stopped(machine, program) -> None:
    with pytest.raises(StepTimedOutError):
        machine.run(program("hang"), timeout_s=0.7)


def test_a_step_can_be_cancelled(machine, program) -> None:
    cancel = threading.Event()
    timer = threading.Timer(0 if machine.kind == "fake" else 0.5, cancel.set)
    timer.start()
    if machine.kind == "fake":
        timer.join()
    with pytest.raises(CancelledError):
        machine.run(program("hang"), cancel)
    timer.join()


def test_a_step_that_writes_too_much_fails(machine, program) -> None:
    with pytest.raises(OutputLimitError):
        machine.run(program("flood"))


def test_a_link_in_an_output_is_refused(machine, program) -> None:
    with pytest.raises(StepOutputError, match="symbolic link"):
        machine.run(program("link"))


def test_parameters_are_an_input_when_there_are_any(machine, program) -> None:
    machine.parameters_file = machine.folder / "parameters.yaml"
    machine.parameters_file.write_text("threshold: 0.5\n")
    machine.run(program("parameters"))
    assert "threshold: 0.5" in machine.log.read_text()


def test_a_second_attempt_finds_what_the_first_left(machine, program) -> None:
    machine.run(program("resume"))
    machine.run(program("resume"))
    assert (machine.output / "attempts").read_text() == "xx"


def test_the_outcome_says_when_and_how_it_ran(machine, program) -> None:
    outcome = machine.run(program("copy"))
    assert outcome.runner == machine.runner.name
    assert outcome.started_at <= outcome.ended_at
    assert outcome.started_at.tzinfo == UTC
    assert "kind" in outcome.isolation
    assert "network" in outcome.isolation


def test_the_isolation_promised_is_the_isolation_given(machine, program) -> None:
    promised = machine.runner.available().isolation
    assert set(machine.run(program("copy")).isolation) == set(promised)


def test_resolving_again_gives_the_same_image(machine, program) -> None:
    first = machine.image
    assert first.digest.startswith("sha256:")
    assert (
        machine.runner.resolve(machine.config, source=machine.source, expected=first.digest)
        == first
    )


def test_an_image_other_than_the_promised_is_refused(machine, program) -> None:
    with pytest.raises(DigestMismatchError):
        machine.runner.resolve(machine.config, source=machine.source, expected=NO_SUCH_DIGEST)


def test_an_encrypted_container_is_not_supported(machine) -> None:
    config = machine.config.model_copy(
        update={"container_type": ContainerType.ENCRYPTED_DOCKER_ARCHIVE}
    )
    with pytest.raises(NotSupportedError):
        machine.runner.resolve(config, source=machine.source)


def test_cleaning_up_after_a_step_that_left_nothing_is_fine(machine) -> None:
    machine.runner.cleanup("never-started")


def test_steps_run_side_by_side(machine, program) -> None:
    text = program("copy")
    steps = []
    for number in range(3):
        machine.output = machine.folder / f"out-{number}"
        steps.append(machine.step(text))
    logs = [machine.folder / f"{number}.log" for number in range(3)]
    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(machine.runner.run, [machine.image] * 3, steps, logs))
    assert [outcome.exit_code for outcome in outcomes] == [0, 0, 0]


def test_a_step_id_can_be_used_again(machine, program) -> None:
    step = machine.step(program("copy"))
    machine.runner.run(machine.image, step, machine.log)
    assert machine.runner.run(machine.image, step, machine.log).exit_code == 0


def test_nothing_of_a_step_runs_on_after_it(machine, program) -> None:
    if machine.kind == "fake":
        pytest.skip("a function has no processes")
    machine.run(
        "import os, time\n"
        "beat = os.environ['MEDPERF_OUTPUT_PATH'] + '/beat'\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    for number in range(10_000):\n"
        "        open(beat, 'w').write(str(number))\n"
        "        time.sleep(0.05)\n"
        "while not os.path.exists(beat): time.sleep(0.01)\n"
    )
    before = (machine.output / "beat").read_text()
    time.sleep(0.4)
    assert (machine.output / "beat").read_text() == before

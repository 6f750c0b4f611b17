"""A whole federation on this machine: one server, three hospitals, one committee, two vendors.

Every step is a command that a person in that role would type, and real programs answer: a server,
three sites' agents, isolated containers, real patients. Run it with ``make demo``.
"""

import argparse
import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from examples.breast_cancer import components, display
from examples.breast_cancer.build import BenchmarkFiles, ComponentFiles, build
from examples.breast_cancer.stage import CommandFailedError, Stage

FOLDER = Path(".demo")
LAYERS = Path("build/image-layers")
BENCHMARK = "Malignant breast mass"
ADMIN, COMMITTEE = "admin", "committee"
REFERENCE = "logistic-regression"
CAREFUL_HOSPITAL = "northfield"
"""The hospital where a person releases each result; the others have told their agents to."""

CHECKER = "output checker"
TIMEOUT_S = 600.0


def main(arguments: list[str] | None = None) -> int:
    """Play the whole story; the exit status says whether it ended well."""
    options = _options(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    stage = Stage(FOLDER.resolve(), lambda command: display.command(console, command))
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _play(stage, console, options.runner, serve=options.serve)
    except (CommandFailedError, TimeoutError) as error:
        console.print(f"\n[bold red]The demo stopped.[/] {error}", markup=True)
        console.print(f"What the programs said is in {FOLDER}/logs.")
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 130
    finally:
        stage.stop()
    return 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--runner", choices=["sandbox", "docker", "podman"], default="sandbox", help="what isolates"
    )
    parser.add_argument("--serve", action="store_true", help="leave the server and sites up")
    return parser.parse_args(arguments)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _play(stage: Stage, console: Console, runner: str, *, serve: bool) -> None:
    started = time.monotonic()

    def chapter(title: str) -> None:
        console.print(f"\n[bold]{title}[/]  [dim]{time.monotonic() - started:.0f} s[/]")

    chapter("Real patients, raw exports, trained models")
    files = build(stage.folder / "build")
    pack = components.packer(runner, stage.folder / "images", LAYERS)
    console.print(
        f"  569 patients: {', '.join(f'{n} in {h}' for h, n in files.n_patients.items())}, "
        "the rest with the vendors. Each hospital exports in its own way."
    )
    chapter("The operator starts a server and invites people")
    url = _start_server(stage)
    hospitals = list(files.hospitals)
    vendors = sorted({model.vendor for model in files.models.values()})
    _invite_people(stage, url, [*vendors, *hospitals])

    chapter("The committee publishes a benchmark, an admin approves it")
    benchmark = _publish_benchmark(stage, files, pack)

    chapter("The vendors submit five models, the committee lets them take part")
    models = _submit_models(stage, files, pack, benchmark)

    chapter("The hospitals prepare and register data that never leaves them")
    for hospital in hospitals:
        _join(stage, url, hospital, files, benchmark, runner)

    chapter("Models run at every hospital; a person at one of them releases each result")
    for hospital in hospitals:
        stage.start(f"agent-{hospital}", "site", "start", site=hospital)
    _watch(stage, console, benchmark, models, hospitals)

    chapter("What left the hospitals")
    display.documents(
        console, stage.medperf("result", "ls", "--benchmark", benchmark, who=COMMITTEE)
    )

    chapter("The leaderboard")
    leaderboard = stage.medperf("benchmark", "leaderboard", benchmark, who=COMMITTEE)
    display.leaderboard(console, leaderboard)

    chapter("Anybody can check it, offline, with nothing but the log's key")
    bundle = stage.folder / "leaderboard.bundle"
    stage.medperf("benchmark", "bundle", benchmark, "--out", bundle, who=COMMITTEE)
    display.verdict(console, stage.medperf("verify", bundle, who=COMMITTEE))
    display.further(console, stage, benchmark, hospitals, serve=serve)
    if serve:
        _serve(stage, console)


def _start_server(stage: Stage) -> str:
    folder = stage.folder / "server"
    issued = stage.medperf(
        "server", "init", "--folder", folder, "--name", "Demo federation",
        "--organization", "Platform operator", "--admin", "Platform admin",
        "--email", "admin@operator.example",
    )  # fmt: skip
    stage.start("server", "server", "start", "--folder", folder, "--port", 0)
    url = stage.wait_for_file(folder / "server.address")
    _log_in(stage, url, issued["token"], ADMIN)
    return url


def _log_in(stage: Stage, url: str, token: str, profile: str) -> None:
    stage.medperf("login", "--server", url, "--invitation", token, "--name", profile)


def _invite_people(stage: Stage, url: str, names: list[str]) -> None:
    for name in [COMMITTEE, *names]:
        title = name.capitalize()
        stage.medperf("organization", "add", "--name", title, who=ADMIN)
        issued = stage.medperf(
            "user", "invite", "--organization", title, "--name", f"{title} user",
            "--email", f"user@{name.replace(' ', '-')}.example", who=ADMIN,
        )  # fmt: skip
        _log_in(stage, url, issued["token"], name)


def _register(stage: Stage, files: ComponentFiles, role: str, pack: Any, who: str) -> int:
    folder_or_archive = pack(files)
    words: list[object] = [
        "container", "register", folder_or_archive, "--role", role, "--name", files.title,
    ]  # fmt: skip
    if files.parameters:
        words += ["--parameters", files.parameters]
    if files.additional_files:
        words += ["--additional-files", files.additional_files]
    container: int = stage.medperf(*words, who=who)["id"]
    stage.medperf("container", "submit", container, who=who)
    return container


def _register_model(stage: Stage, files: ComponentFiles, pack: Any, who: str) -> int:
    container = _register(stage, files, "model", pack, who)
    model: int = stage.medperf(
        "model", "register", "--name", files.title, "--container", container, who=who
    )["id"]
    stage.medperf("model", "submit", model, who=who)
    return model


def _publish_benchmark(stage: Stage, files: BenchmarkFiles, pack: Any) -> int:
    reference = files.models[REFERENCE]
    numbers = {
        "preparator": _register(stage, files.preparator, "preparator", pack, COMMITTEE),
        "evaluator": _register(stage, files.evaluator, "evaluator", pack, COMMITTEE),
        "reference-model": _register_model(stage, reference, pack, COMMITTEE),
    }
    words: list[object] = ["benchmark", "register", "--name", BENCHMARK]
    for flag, number in numbers.items():
        words += [f"--{flag}", number]
    benchmark: int = stage.medperf(
        *words,
        "--clinical-task", "Tell malignant from benign breast masses by cell nuclei",
        "--plan", files.plan, "--demo-dataset", files.demo_dataset,
        "--audience", "participants", who=COMMITTEE,
    )["id"]  # fmt: skip
    stage.medperf("benchmark", "submit", benchmark, who=COMMITTEE)
    stage.medperf("benchmark", "approve", benchmark, who=ADMIN)
    return benchmark


def _submit_models(
    stage: Stage, files: BenchmarkFiles, pack: Any, benchmark: int
) -> dict[int, str]:
    models = {}
    for files_of_model in files.models.values():
        who = files_of_model.vendor
        model = _register_model(stage, files_of_model, pack, who)
        asked = stage.medperf("model", "associate", model, "--benchmark", benchmark, who=who)
        stage.medperf("association", "approve", asked["id"], who=COMMITTEE)
        models[model] = files_of_model.title
    return models


def _join(
    stage: Stage, url: str, hospital: str, files: BenchmarkFiles, benchmark: int, runner: str
) -> None:
    raw = files.hospitals[hospital]
    issued = stage.medperf(
        "invitation", "issue", "--kind", "site", "--organization", hospital.capitalize(),
        "--name", hospital, who=ADMIN,
    )  # fmt: skip
    stage.medperf(
        "site", "init", "--server", url, "--invitation", issued["token"], "--name", hospital,
        site=hospital,
    )  # fmt: skip
    stage.medperf("site", "set", f"runner={runner}", "allow_local=true", site=hospital)
    rules = ["--template", "unattended-run"]
    if hospital != CAREFUL_HOSPITAL:
        rules += ["--template", "unattended-release"]
        rules += ["--with", f"unattended-release.benchmarks={benchmark}"]
    rules += ["--with", f"unattended-run.benchmarks={benchmark}"]
    stage.medperf("policy", "set", *rules, site=hospital)
    name = f"{hospital} nuclei"
    stage.medperf(
        "dataset", "prepare", "--name", name, "--benchmark", benchmark,
        "--data", raw.data, "--labels", raw.labels, site=hospital,
    )  # fmt: skip
    stage.medperf("dataset", "register", name, "--yes", site=hospital)
    stage.medperf("dataset", "submit", name, site=hospital)
    asked = stage.medperf("dataset", "associate", name, "--benchmark", benchmark, site=hospital)
    stage.medperf("association", "approve", asked["id"], who=COMMITTEE)


def _watch(
    stage: Stage, console: Console, benchmark: int, models: dict[int, str], hospitals: list[str]
) -> None:
    quiet = Stage(stage.folder, lambda _command: None, stage.processes)
    deadline = time.monotonic() + TIMEOUT_S
    board = display.Progress(models, hospitals)
    with display.live(console, board) as refresh:
        while not board.is_complete:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not every execution ended within {TIMEOUT_S:.0f} s")
            stage.check_alive()
            _decide_as_people(quiet, benchmark)
            for hospital in hospitals:
                board.update(hospital, quiet.medperf("site", "status", site=hospital))
            refresh()
            time.sleep(0.3)
    _decide_as_people(quiet, benchmark)  # the last ones to arrive


def _decide_as_people(stage: Stage, benchmark: int) -> None:
    """What the output checker of the careful hospital and the committee do meanwhile."""
    for item in stage.medperf("site", "inbox", site=CAREFUL_HOSPITAL):
        stage.medperf(
            "site", "approve", item["job_id"], "--as", CHECKER, "--yes", site=CAREFUL_HOSPITAL
        )
    pending = stage.medperf(
        "result", "ls", "--benchmark", benchmark, "--state", "pending", who=COMMITTEE
    )
    for result in pending:
        stage.medperf("result", "approve", result["id"], who=COMMITTEE)


def _serve(stage: Stage, console: Console) -> None:
    console.print("\nThe server and the sites stay up. Press Ctrl-C to stop them.")

    while True:
        stage.check_alive()
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())

"""A whole federation on this machine: one server, some hospitals, one committee, their vendors.

Every step is a command that a person in that role would type, and real programs answer: a server,
sites' agents, isolated containers, real patients. Run it with ``make demo``; which benchmark is
played is ``EXAMPLE=`` one of those beside this folder.
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
from rich.markup import escape

from examples.staging import display, images
from examples.staging.files import BenchmarkFiles, ComponentFiles, RawData
from examples.staging.stage import CommandFailedError, Stage
from examples.staging.story import EXAMPLES, Story, story_of

FOLDER = Path(".demo")
LAYERS = Path("build/image-layers")
ADMIN, COMMITTEE = "admin", "committee"
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
        _play(story_of(options.example), stage, console, options.runner, serve=options.serve)
    except (CommandFailedError, TimeoutError) as error:
        console.print(f"\n[bold red]The demo stopped.[/] {escape(str(error))}", markup=True)
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
    parser.add_argument("example", nargs="?", choices=EXAMPLES, default=EXAMPLES[0])
    parser.add_argument(
        "--runner", choices=["sandbox", "docker", "podman"], default="sandbox", help="what isolates"
    )
    parser.add_argument("--serve", action="store_true", help="leave the server and sites up")
    return parser.parse_args(arguments)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _play(story: Story, stage: Stage, console: Console, runner: str, *, serve: bool) -> None:
    started = time.monotonic()

    def chapter(title: str) -> None:
        console.print(f"\n[bold]{title}[/]  [dim]{time.monotonic() - started:.0f} s[/]")

    chapter("Real patients, raw exports, trained models")
    files = story.build(stage.folder / "build")
    pack = images.packer(runner, stage.folder / "images", LAYERS)
    counts = ", ".join(f"{n} in {hospital}" for hospital, n in files.n_patients.items())
    console.print(f"  {story.cohort.format(hospitals=counts)}")
    chapter("The operator starts a server and invites people")
    url = _start_server(stage)
    hospitals = list(files.hospitals)
    vendors = sorted({model.vendor for model in files.models.values()})
    _invite_people(stage, url, [*vendors, *hospitals])

    chapter("The committee publishes a benchmark, an admin approves it")
    benchmark = _publish_benchmark(stage, story, files, pack)

    chapter(f"The vendors submit {len(files.models)} models, the committee lets them take part")
    models = _submit_models(stage, files, pack, benchmark)

    chapter("The hospitals prepare and register data that never leaves them")
    for hospital in hospitals:
        _join(stage, url, story, hospital, files.hospitals[hospital], benchmark, runner)

    chapter("Models run at every hospital; a person at one of them releases each result")
    for hospital in hospitals:
        stage.start(f"agent-{hospital}", "site", "start", site=hospital)
    _watch(stage, console, benchmark, models, hospitals, story.careful_hospital)

    chapter("What left the hospitals")
    display.documents(
        console, stage.medperf("result", "ls", "--benchmark", benchmark, who=COMMITTEE)
    )

    chapter("The leaderboard")
    leaderboard = stage.medperf("benchmark", "leaderboard", benchmark, who=COMMITTEE)
    display.leaderboard(console, leaderboard, story.shown_metrics)

    chapter("Anybody can check it, offline, with nothing but the log's key")
    bundle = stage.folder / "leaderboard.bundle"
    stage.medperf("benchmark", "bundle", benchmark, "--out", bundle, who=COMMITTEE)
    display.verdict(console, stage.medperf("verify", bundle, who=COMMITTEE))

    chapter("A report for readers, and an evidence pack for a regulator")
    display.evidence(console, _write_evidence(stage, benchmark))
    display.further(console, stage, benchmark, hospitals, serve=serve)
    if serve:
        _serve(stage, console, url)


def _write_evidence(stage: Stage, benchmark: int) -> dict[str, Any]:
    page, paper = stage.folder / "report.html", stage.folder / "report.pdf"
    stage.medperf(
        "benchmark", "report", benchmark, "--out", page, "--pdf", paper, who=COMMITTEE
    )  # fmt: skip
    pack = stage.folder / "evidence.zip"
    packed = stage.medperf("benchmark", "evidence-pack", benchmark, "--out", pack, who=COMMITTEE)
    return {"files": [page, paper, pack], "checks": packed["checks"]}


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


def _publish_benchmark(stage: Stage, story: Story, files: BenchmarkFiles, pack: Any) -> int:
    reference = files.models[story.reference]
    numbers = {
        "preparator": _register(stage, files.preparator, "preparator", pack, COMMITTEE),
        "evaluator": _register(stage, files.evaluator, "evaluator", pack, COMMITTEE),
        "reference-model": _register_model(stage, reference, pack, COMMITTEE),
    }
    words: list[object] = ["benchmark", "register", "--name", story.benchmark]
    for flag, number in numbers.items():
        words += [f"--{flag}", number]
    benchmark: int = stage.medperf(
        *words,
        "--clinical-task", story.clinical_task, "--description", story.description,
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
    stage: Stage, url: str, story: Story, hospital: str, raw: RawData, benchmark: int, runner: str
) -> None:
    issued = stage.medperf(
        "invitation", "issue", "--kind", "site", "--organization", hospital.capitalize(),
        "--name", hospital, who=ADMIN,
    )  # fmt: skip
    stage.medperf(
        "site", "init", "--server", url, "--invitation", issued["token"], "--name", hospital,
        site=hospital,
    )  # fmt: skip
    stage.medperf(
        "site", "set", f"runner={runner}", "allow_local=true", *story.site_settings, site=hospital
    )
    rules = ["--template", "unattended-run"]
    if hospital != story.careful_hospital:
        rules += ["--template", "unattended-release"]
        rules += ["--with", f"unattended-release.benchmarks={benchmark}"]
    rules += ["--with", f"unattended-run.benchmarks={benchmark}"]
    stage.medperf("policy", "set", *rules, site=hospital)
    name = f"{hospital} {story.data}"
    stage.medperf(
        "dataset", "prepare", "--name", name, "--benchmark", benchmark,
        "--data", raw.data, "--labels", raw.labels, site=hospital,
    )  # fmt: skip
    stage.medperf("dataset", "register", name, "--yes", site=hospital)
    stage.medperf("dataset", "submit", name, site=hospital)
    asked = stage.medperf("dataset", "associate", name, "--benchmark", benchmark, site=hospital)
    stage.medperf("association", "approve", asked["id"], who=COMMITTEE)


def _watch(
    stage: Stage,
    console: Console,
    benchmark: int,
    models: dict[int, str],
    hospitals: list[str],
    careful: str,
) -> None:
    quiet = Stage(stage.folder, lambda _command: None, stage.processes)
    deadline = time.monotonic() + TIMEOUT_S
    board = display.Progress(models, hospitals)
    with display.live(console, board) as refresh:
        while not board.is_complete:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not every execution ended within {TIMEOUT_S:.0f} s")
            stage.check_alive()
            _decide_as_people(quiet, benchmark, careful)
            for hospital in hospitals:
                board.update(hospital, quiet.medperf("site", "status", site=hospital))
            refresh()
            time.sleep(0.3)
    _decide_as_people(quiet, benchmark, careful)  # the last ones to arrive


def _decide_as_people(stage: Stage, benchmark: int, careful: str) -> None:
    """What the output checker of the careful hospital and the committee do meanwhile."""
    for item in stage.medperf("site", "inbox", site=careful):
        stage.medperf("site", "approve", item["job_id"], "--role", CHECKER, "--yes", site=careful)
    pending = stage.medperf(
        "result", "ls", "--benchmark", benchmark, "--state", "pending", who=COMMITTEE
    )
    for result in pending:
        stage.medperf("result", "approve", result["id"], who=COMMITTEE)


def _serve(stage: Stage, console: Console, url: str) -> None:
    console.print(
        f"\nThe server stays up at {url}, and so do the sites. Press Ctrl-C to stop them.",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    try:
        while True:
            stage.check_alive()
            time.sleep(1)
    except KeyboardInterrupt:  # as was said: no failure
        console.print("\nStopped.")


if __name__ == "__main__":
    sys.exit(main())

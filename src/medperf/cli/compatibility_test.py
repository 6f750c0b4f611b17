"""``medperf compatibility-test``: a whole workflow here, before anything is registered."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from medperf.cli.command import Verb, wants_json
from medperf.cli.output import note, terminal_width, write, write_json
from medperf.cli.tables import Column, layout

if TYPE_CHECKING:
    from medperf.site.compatibility_report import CompatibilityReport

_PATH = click.Path(path_type=Path)


@click.command(
    cls=Verb,
    name="compatibility-test",
    example="""
    medperf compatibility-test --preparator prep --model my-model --evaluator eval \
--plan plan.yaml --demo-dataset demo
    medperf compatibility-test --benchmark 1 --model my-model --json > compatibility.json
    """,
)
@click.option("--benchmark", metavar="NUMBER|NAME", help="Take what is not given from this one.")
@click.option("--preparator", metavar="PATH", help="Folder or config of the preparator.")
@click.option("--preparator-parameters", type=_PATH, help="Its parameters.")
@click.option("--model", metavar="PATH", help="Folder or config of the model.")
@click.option("--model-parameters", type=_PATH, help="Its parameters.")
@click.option("--model-additional-files", metavar="URL|PATH", help="Its additional files.")
@click.option("--evaluator", metavar="PATH", help="Folder or config of the evaluator.")
@click.option("--evaluator-parameters", type=_PATH, help="Its parameters.")
@click.option("--plan", type=_PATH, help="The analysis plan; without it nothing is examined.")
@click.option("--demo-dataset", metavar="URL|PATH", help="Archive or folder with paths.yaml.")
@click.option("--data", type=_PATH, help="Prepared data instead of a demo dataset.")
@click.option("--labels", type=_PATH, help="The reference labels of --data.")
@click.option("--keep", type=_PATH, help="Leave everything the test made in this folder.")
@click.option("--runner", help="docker, podman, apptainer or sandbox; else the strongest.")
@click.option("--allow-bare", is_flag=True, help="Run without isolation where there is none.")
def command(
    benchmark: str | None,
    preparator: str | None,
    preparator_parameters: Path | None,
    model: str | None,
    model_parameters: Path | None,
    model_additional_files: str | None,
    evaluator: str | None,
    evaluator_parameters: Path | None,
    plan: Path | None,
    demo_dataset: str | None,
    data: Path | None,
    labels: Path | None,
    keep: Path | None,
    runner: str | None,
    allow_bare: bool,
) -> int:
    """Prepare demo data, run the model, score it, and see what would leave. Nothing is sent.

    The outcome (--json) backs the request that a model takes part in a benchmark. The exit status
    is that of the first part that failed.
    """
    from medperf.cli import compatibility
    from medperf.cli.exit_codes import exit_code_of

    given = {
        "preparator": compatibility.Part(preparator, preparator_parameters),
        "model": compatibility.Part(model, model_parameters, model_additional_files),
        "evaluator": compatibility.Part(evaluator, evaluator_parameters),
    }
    wanted = compatibility.Wanted(
        parts=given,
        benchmark=benchmark,
        plan=plan,
        demo_dataset=demo_dataset,
        prepared=(data, labels) if data and labels else None,
        keep=keep,
        runner=runner,
        allow_bare=allow_bare,
    )
    report = compatibility.run(wanted, _show_failed)
    if wants_json():
        write_json(report.outcome())
    else:
        rows = [
            {
                "part": part.name,
                "state": part.state,
                "seconds": round(part.seconds, 2),
                "note": _said(part.message, report, keep),
            }
            for part in report.parts
        ]
        columns = [Column(title, title) for title in ("part", "state", "seconds", "note")]
        write(layout(rows, columns, terminal_width()))
    if report.error is None:
        note("The workflow works from end to end.")
        return 0
    hint = report.error.advice
    if any(part.state == "failed" and part.log_path for part in report.parts):
        hint = "Correct the container; what it printed last is above."
        hint += "" if keep else " --keep DIR leaves all of it there."
    note(f"{report.error.code}: {_said(str(report.error), report, keep)}\nhint: {hint}")
    return exit_code_of(type(report.error))


def _show_failed(report: "CompatibilityReport") -> None:
    """What the part that failed printed last, while its log is there."""
    from medperf.cli.diagnosis import tail

    for part in report.parts:
        if part.state == "failed" and part.log_path and part.log_path.is_file():
            note("\n".join([f"The last lines of {part.name}:", *tail(part.log_path), ""]))


def _said(text: str, report: "CompatibilityReport", keep: Path | None) -> str:
    """The text without logs that are gone by now."""
    for part in report.parts if keep is None else ():
        text = text.replace(f"; its log is {part.log_path}", "")
    return text

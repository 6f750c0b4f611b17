"""A failed execution again, on the benchmark's demo data and at the model owner's own machine."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from medperf.cli import compatibility
from medperf.cli.command import wants_json
from medperf.cli.diagnosis import tail
from medperf.cli.exit_codes import exit_code_of
from medperf.cli.output import note, terminal_width, write, write_json
from medperf.cli.tables import Column, layout
from medperf.runners.base import Limits
from medperf.site.compatibility_report import CompatibilityReport


def run_trial(
    execution: Mapping[str, Any], keep: Path, *, runner: str | None, allow_bare: bool
) -> CompatibilityReport:
    """Run the whole workflow of an execution on the benchmark's demo data.

    Args:
        execution: as the server tells it, with the limits of the site where it failed.
        keep: where logs and outputs stay.
        runner: which one; the strongest unless named.
        allow_bare: whether to run without isolation where there is none.

    Raises:
        NotFoundError: the model's container is not visible to the person who asks.
        MedPerfError: a container or the demo dataset cannot be had.
    """
    wanted = compatibility.Wanted(
        parts=dict.fromkeys(compatibility.ROLES, compatibility.Part()),
        benchmark=str(execution["benchmark_id"]),
        model_id=int(execution["model_id"]),
        keep=keep,
        runner=runner,
        allow_bare=allow_bare,
        limits=site_limits(execution.get("resources") or {}),
    )
    return compatibility.run(wanted)


def site_limits(resources: Mapping[str, float]) -> Limits:
    """The limits under which it failed, as far as the site told them."""
    limits = Limits()
    if resources.get("memory_bytes", 0) > 0:
        limits = replace(limits, memory_bytes=int(resources["memory_bytes"]))
    if resources.get("timeout_s", 0) > 0:
        limits = replace(limits, timeout_s=float(resources["timeout_s"]))
    return limits


def show_trial(report: CompatibilityReport, keep: Path) -> int:
    """Show how it went, with the last lines of the part that failed; answer the exit status."""
    if wants_json():
        logs = {part.name: str(part.log_path) for part in report.parts if part.log_path}
        write_json({**report.outcome(), "logs": logs})
    else:
        rows = [
            {"part": p.name, "state": p.state, "seconds": round(p.seconds, 2), "log": p.log_path}
            for p in report.parts
        ]
        columns = [Column(title, title) for title in ("part", "state", "seconds", "log")]
        write(layout(rows, columns, terminal_width()))
    failed = next((part for part in report.parts if part.state == "failed"), None)
    if failed is not None and failed.log_path is not None:
        note("\n".join([f"the last lines of {failed.name}:", *tail(failed.log_path)]))
    if report.error is None:
        note(f"It works on the demo data; everything it wrote is in {keep}.")
        return 0
    note(f"{report.error.code}: {report.error}\nhint: {report.error.advice}")
    return exit_code_of(type(report.error))

"""``medperf doctor``: what this machine can do, line by line, each with its remedy."""

from pathlib import Path

import click

from medperf.cli.command import Verb, chosen_profile, wants_json
from medperf.cli.connection import site_folder
from medperf.cli.output import terminal_width, write, write_json
from medperf.cli.tables import Column, layout


@click.command(cls=Verb, example="medperf doctor\nmedperf doctor --folder /srv/medperf-site --json")
@click.option("--folder", metavar="DIR", help="The site's folder (or set MEDPERF_SITE).")
def command(folder: str | None) -> int:
    """Say what this machine can do, and how to mend what it cannot.

    The exit status is 1 if anything fails that a command needs.
    """
    from medperf.cli import checkup

    given = site_folder(folder)
    findings = list(checkup.examine(chosen_profile(), Path(given) if given else None))
    if wants_json():
        write_json([finding.as_json() for finding in findings])
    else:
        rows = [finding.as_json() for finding in findings]
        columns = [Column("", "verdict"), Column("what", "what"), Column("found", "found")]
        write(layout(rows, columns, terminal_width()))
        for finding in findings:
            if finding.remedy:
                write(f"\n{finding.verdict}: {finding.what}: {finding.found}\n  {finding.remedy}")
    return int(any(finding.verdict == checkup.FAIL for finding in findings))

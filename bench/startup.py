"""How long the command line takes to start, beside an interpreter that does nothing."""

import sys
import tempfile
from pathlib import Path

from bench.scenes.cast import Cast
from bench.scenes.processes import installed, load_note, server_processes
from bench.table import Row, command, median_s, show
from medperf.domain.people import InvitationForm, InvitationKind

RUNS = 11


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        with server_processes(place / "server") as server:
            cast = Cast(server.folder, server.url)
            for number in range(3):
                station = cast.station(f"Site {number}")
                cast.take_part(station.client, cast.dataset(station, f"Data {number}"))
            environment = installed(MEDPERF_HOME=str(place / "home"))
            _log_in(cast, server.url, environment)
            medperf = str(Path(sys.executable).parent / "medperf")
            bare = median_s(command(sys.executable, "-c", "pass", **environment), RUNS, warmup=2)
            shown = median_s(command(medperf, "--help", **environment), RUNS)
            listed = median_s(command(medperf, "dataset", "ls", **environment), RUNS)
            cast.close()
    show(
        "Start of a command (median wall time)",
        [
            Row("medperf --help", shown, "s", bare, "python -c pass", "< 0.3 s"),
            Row("medperf dataset ls", listed, "s", bare, "python -c pass", "< 0.6 s"),
            Row("medperf --help", shown, "s", 3.07, "MedPerf, recorded"),
            Row("medperf dataset ls", listed, "s", 3.97, "MedPerf, recorded"),
        ],
        [load_note()],
    )


def _log_in(cast: Cast, url: str, environment: dict[str, str]) -> None:
    form = InvitationForm(
        kind=InvitationKind.USER,
        organization_id=cast.committee.organization_id,
        name="Reader",
        email="reader@example.org",
    )
    token = cast.admin.client.invitations.issue(form).token
    words = ("-m", "medperf", "login", "--server", url, "--invitation", token)
    command(sys.executable, *words, **environment)()


if __name__ == "__main__":
    main()

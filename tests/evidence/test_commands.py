import io
import json
import zipfile
from pathlib import Path

import pytest
from server_fixtures import PersonActor, RunningServer

from medperf.cli import profiles
from medperf.cli.main import run


@pytest.fixture
def log_in(server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("MEDPERF_HOME", str(tmp_path / "home"))

    def log_in(person: PersonActor, *, knows_log: bool = True) -> None:
        log_key = server.federation.anybody.info().log_key if knows_log else ""
        profile = profiles.Profile("default", server.url, log_key=log_key)
        profiles.remember(profile, person.secret)

    return log_in


def test_a_report_is_written_as_a_page_and_on_paper(
    server: RunningServer, log_in, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log_in(server.federation.cara)
    page, paper = tmp_path / "report.html", tmp_path / "report.pdf"
    status = run(
        ["benchmark", "report", "Masses", "--out", str(page), "--pdf", str(paper), "--json"]
    )
    assert status == 0
    assert json.loads(capsys.readouterr().out)["files"] == [str(page), str(paper)]
    assert "Masses" in page.read_text()
    assert paper.read_bytes().startswith(b"%PDF-")
    again = run(["benchmark", "report", "1", "--out", str(page)])
    assert (again, "exists" in capsys.readouterr().err) == (6, True)


def test_a_pack_is_checked_and_written(
    server: RunningServer, log_in, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log_in(server.federation.cara)
    out = tmp_path / "evidence.zip"
    assert run(["benchmark", "evidence-pack", "1", "--out", str(out), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["checks"]) == 6
    names = zipfile.ZipFile(io.BytesIO(out.read_bytes())).namelist()
    assert "evidence-benchmark-1/data/proof/bundle.json" in names


def test_without_a_log_key_there_is_a_report_but_no_pack(
    server: RunningServer, log_in, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log_in(server.federation.cara, knows_log=False)
    page, out = tmp_path / "report.html", tmp_path / "evidence.zip"
    assert run(["benchmark", "report", "1", "--out", str(page)]) == 0
    assert "Nothing was verified" in page.read_text()
    assert run(["benchmark", "evidence-pack", "1", "--out", str(out)]) == 7
    assert "nothing to prove" in capsys.readouterr().err
    assert not out.exists()


def test_somebody_outside_gets_a_report_of_what_they_may_see(
    server: RunningServer, log_in, tmp_path: Path
) -> None:
    log_in(server.federation.olga)
    page = tmp_path / "report.html"
    assert run(["benchmark", "report", "1", "--out", str(page)]) == 0
    text = page.read_text()
    assert "No dataset is visible" in text
    assert "0.800" not in text


def test_somebody_outside_gets_no_pack(
    server: RunningServer, log_in, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log_in(server.federation.olga)
    out = tmp_path / "evidence.zip"
    assert run(["benchmark", "evidence-pack", "1", "--out", str(out)]) == 7
    assert "no result of this benchmark is visible to you" in capsys.readouterr().err
    assert not out.exists()

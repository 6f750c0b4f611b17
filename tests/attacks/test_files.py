"""Attacks by files: archives, links and tables that containers and strangers hand over."""

import io
import os
import tarfile
import zipfile

import pytest

from medperf.domain.benchmarks import AnalysisPlan
from medperf.domain.errors import MedPerfError, StepOutputError, UnsafeArchiveError
from medperf.runners.archives import unpack
from medperf.runners.outputs import sweep
from medperf.site.case_table import read_case_table

PLAN = AnalysisPlan.model_validate({"metrics": [{"name": "dice"}], "primary": "dice"})


def archive(path, name, kind=tarfile.REGTYPE, target=""):
    with tarfile.open(path, "w") as made:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, target
        entry.size = 0 if target else 4
        made.addfile(entry, None if target else io.BytesIO(b"evil"))
    return path


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        ("../outside", tarfile.REGTYPE, ""),
        ("a/../../outside", tarfile.REGTYPE, ""),
        ("/outside", tarfile.REGTYPE, ""),
        ("link", tarfile.SYMTYPE, "../outside"),
        ("link", tarfile.LNKTYPE, "../outside"),
        ("pipe", tarfile.FIFOTYPE, "x"),
    ],
)
def test_an_archive_does_not_escape_its_folder(tmp_path, name, kind, target):
    """Stopped by unpacking, which makes plain files below one folder and nothing else."""
    made = archive(tmp_path / "evil.tar", name, kind, target)
    with pytest.raises(UnsafeArchiveError):
        unpack(made, tmp_path / "in")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.tar"]


def test_a_zip_does_not_escape_its_folder(tmp_path):
    """Stopped by unpacking, whatever the archive is called."""
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as made:
        made.writestr("../outside", "evil")
    with pytest.raises(UnsafeArchiveError):
        unpack(tmp_path / "evil.zip", tmp_path / "in")
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("kind", ["symbolic", "hard"])
def test_an_output_that_is_a_link_to_a_secret_is_refused(tmp_path, kind):
    """Stopped by the sweep of outputs: links are refused, never followed."""
    secret, output = tmp_path / "site-key.pem", tmp_path / "out"
    secret.write_text("secret")
    output.mkdir()
    (os.symlink if kind == "symbolic" else os.link)(secret, output / "results.yaml")
    with pytest.raises(StepOutputError):
        sweep(output)


def test_a_table_of_cases_that_is_a_link_is_not_read(tmp_path):
    """Stopped by opening it without following links, even if it were made after the sweep."""
    (tmp_path / "secret").write_text("case\nc1\n")
    (tmp_path / "cases.csv").symlink_to(tmp_path / "secret")
    with pytest.raises(MedPerfError):
        read_case_table(tmp_path / "cases.csv", PLAN)

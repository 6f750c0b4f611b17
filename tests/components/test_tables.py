"""Tables of labels and predictions, whichever kind of file they come in."""

import json
from pathlib import Path

import pytest
from pyarrow import Table as Columns
from pyarrow import parquet

from medperf.components.evaluator.tables import read_table
from medperf.domain.errors import MalformedFileError

RECORDS = [
    {"case": "a", "label": "malignant", "malignant": 0.75},
    {"case": "b", "label": "benign", "malignant": None},
]


def test_every_kind_of_file_holds_the_same_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("case,label,malignant\na,malignant,0.75\nb,benign,\n")
    (tmp_path / "t.json").write_text(json.dumps(RECORDS))
    parquet.write_table(Columns.from_pylist(RECORDS), tmp_path / "t.parquet")
    read = [read_table(tmp_path, f"t.{kind}") for kind in ("csv", "json", "parquet")]
    assert read[0].columns == read[1].columns == read[2].columns
    assert list(read[0].rows) == list(read[1].rows) == list(read[2].rows)


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_a_broken_file_is_named(tmp_path: Path, kind: str) -> None:
    (tmp_path / f"t.{kind}").write_bytes(b"PAR1 and no more \xff")
    with pytest.raises(MalformedFileError, match=rf"t\.{kind}"):
        read_table(tmp_path, f"t.{kind}")

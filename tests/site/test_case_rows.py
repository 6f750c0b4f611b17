"""The evaluator's table of cases, as the gate reads it."""

import pytest

from medperf.domain.errors import MalformedFileError
from medperf.site import case_rows
from medperf.site.case_rows import read_rows, tag_of

KEY = b"k" * 32
HEAD = "case,patient,sex,dice,failure\n"


def read(folder, text, key=KEY):
    path = folder / "cases.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_rows(path, key)


def test_a_row_is_a_case_with_its_numbers(tmp_path):
    [one, two] = read(tmp_path, HEAD + "c1,p1,female,0.5,\nc2,p1,male,empty_both,crashed\n")
    assert (one.patient, one.is_usable, one.subgroups["sex"]) == ("p1", True, "female")
    assert one.numbers == {"dice": 0.5}
    assert (two.is_usable, two.numbers) == (False, {})


def test_tags_of_one_patient_begin_alike_and_say_nothing_without_the_key(tmp_path):
    text = HEAD + "c1,p1,f,1,\nc2,p1,f,1,\n"
    [one, two] = read(tmp_path, text)
    assert one.tag[:8] == two.tag[:8]
    assert one.tag[8:] != two.tag[8:]
    assert read(tmp_path, text, b"o" * 32)[0].tag != one.tag
    assert one.tag == tag_of(KEY, "p1", "c1")


def test_without_patients_each_case_is_one(tmp_path):
    [one] = read(tmp_path, "case\nc1\n")
    assert one.patient == "c1"


def test_without_a_file_there_are_no_rows(tmp_path):
    assert read_rows(tmp_path / "cases.csv", KEY) == []


@pytest.mark.parametrize(
    "text",
    [
        "patient\np1\n",
        "case\nc1\nc1\n",
        "case,patient\n,p1\n",
        "case\nc1,extra\n",
        b"case\n\xff\xfe\n",
        'case\n"c1\n',
        "case\n" + "c" * 200_000 + "\n",
    ],
)
def test_anything_else_is_no_table(tmp_path, text):
    with pytest.raises(MalformedFileError, match=r"cases\.csv"):
        read(tmp_path, text)


def test_a_table_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(case_rows, "MAX_BYTES", 10)
    with pytest.raises(MalformedFileError, match="larger"):
        read(tmp_path, HEAD)

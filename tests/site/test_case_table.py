"""The evaluator's table of cases: one reader, as strict as the plan needs it."""

import pytest

from medperf.domain.benchmarks import AnalysisPlan
from medperf.domain.errors import EmptyInputError, MalformedFileError
from medperf.site import case_table
from medperf.site.case_table import read_case_table
from medperf.site.screening import rows_of, tag_of

KEY = b"k" * 32
HEAD = "case,patient,sex,dice,failure\n"
SUBGROUPS = {"subgroups": [{"name": "sex", "values": ["female", "male"]}]}


def plan(**changes):
    metric = {"name": "dice", "lower": 0, "upper": 1}
    return AnalysisPlan.model_validate(
        {"metrics": [metric], "primary": "dice", **SUBGROUPS} | changes
    )


EVIDENCE = plan(metrics=[{"name": "dice", "evidence": "mean"}])


def read(folder, text, which=None):
    path = folder / "cases.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_case_table(path, which or plan())


def rows(folder, text, key=KEY):
    return rows_of(read(folder, text), key)


def test_a_row_is_a_case_with_its_numbers(tmp_path):
    [one, two] = rows(tmp_path, HEAD + "c1,p1,female,0.5,\nc2,p1,male,0.7,crashed\n")
    assert (one.patient, one.is_usable, one.subgroups["sex"]) == ("p1", True, "female")
    assert one.numbers == {"dice": 0.5}
    assert (two.is_usable, two.numbers) == (False, {})


def test_tags_of_one_patient_begin_alike_and_say_nothing_without_the_key(tmp_path):
    text = HEAD + "c1,p1,f,1,\nc2,p1,f,1,\n"
    [one, two] = rows(tmp_path, text)
    assert one.tag[:8] == two.tag[:8]
    assert one.tag[8:] != two.tag[8:]
    assert rows(tmp_path, text, b"o" * 32)[0].tag != one.tag
    assert one.tag == tag_of(KEY, "p1", "c1")


def test_without_evidence_a_column_of_cases_is_enough(tmp_path):
    [one] = rows(tmp_path, "case\nc1\n")
    assert (one.patient, one.is_usable, one.subgroups, one.numbers) == ("c1", True, {}, {})


@pytest.mark.parametrize("cell", ["empty_both", "", "nan", "inf", "unknown"])
def test_without_evidence_a_cell_that_is_no_number_is_none(tmp_path, cell):
    [one] = rows(tmp_path, HEAD + f"c1,p1,female,{cell},\n")
    assert one.numbers == {}


def test_columns_of_classes_say_who_has_a_value_of_them(tmp_path):
    metric = {"name": "dice", "per_class": True}
    which = plan(metrics=[metric], classes=["liver", "spleen"])
    table = read(tmp_path, "case,dice[liver],other\nc1,0.5,9\nc2,,9\n", which)
    [one, two] = rows_of(table, KEY)
    assert (one.numbers, two.numbers) == ({"dice[liver]": 0.5}, {})


@pytest.mark.parametrize("lacking", ["patient", "failure", "sex"])
def test_with_evidence_the_table_says_who_and_whether(tmp_path, lacking):
    names = [name for name in ("case", "patient", "sex", "failure") if name != lacking]
    text = ",".join(names) + "\n" + ",".join("x" for _ in names) + "\n"
    assert read(tmp_path, text).cases == ("x",)
    with pytest.raises(MalformedFileError, match=f"no column '{lacking}'"):
        read(tmp_path, text, EVIDENCE)


def test_with_evidence_a_cell_holds_a_number_or_a_reason(tmp_path):
    assert read(tmp_path, HEAD + "c1,p1,female,empty_both,\n", EVIDENCE).columns.keys() == {"dice"}
    with pytest.raises(MalformedFileError, match="line 2, column 'dice'"):
        read(tmp_path, HEAD + "c1,p1,female,unknown,\n", EVIDENCE)


def test_empty_lines_are_no_cases(tmp_path):
    assert read(tmp_path, "case\nc1\n\nc2\n").cases == ("c1", "c2")


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(EmptyInputError, match=r"there is no evaluator's cases\.csv"):
        read_case_table(tmp_path / "cases.csv", plan())


@pytest.mark.parametrize("which", [plan(), EVIDENCE], ids=["told", "evidence"])
@pytest.mark.parametrize(
    "text",
    [
        "patient\np1\n",
        "case,patient,sex,failure\nc1,p,f,\nc1,p,f,\n",
        "case,patient,sex,failure\n,p1,f,\n",
        "case,patient,sex,failure\nc1,,f,\n",
        "case,patient,sex,failure\nc1,p1,f,,extra\n",
        "case,patient,sex,failure\nc1\n",
        "case,patient,sex,failure\n",
        "case,case,patient,sex,failure\nc1,c1,p1,f,\n",
        b"case,patient,sex,failure\n\xff\xfe,p,f,\n",
        'case,patient,sex,failure\n"c1,p,f,\n',
        "case,patient,sex,failure\n" + "c" * 200_000 + ",p,f,\n",
        "case,patient,sex,failure\n" + "c" * 300 + ",p,f,\n",
        "case" + ",x" * 20_000 + "\n",
    ],
)
def test_anything_else_is_no_table(tmp_path, text, which):
    with pytest.raises((MalformedFileError, EmptyInputError), match=r"cases\.csv"):
        read(tmp_path, text, which)


def test_a_table_has_limits(tmp_path, monkeypatch):
    monkeypatch.setattr(case_table, "MAX_CASES", 1)
    with pytest.raises(MalformedFileError, match="more than 1 cases"):
        read(tmp_path, "case\nc1\nc2\n")
    monkeypatch.setattr(case_table, "MAX_BYTES", 10)
    with pytest.raises(MalformedFileError, match="larger"):
        read(tmp_path, HEAD)


FROC = plan(metrics=[{"name": "froc", "evidence": "froc"}], primary="froc")
OBJECTS = "case,patient,sex,froc:objects,froc:found,failure\n"


def test_found_objects_are_listed_with_the_row_of_their_case(tmp_path):
    text = OBJECTS + "c1,p1,f,2,0.9:1 0.4:0,\nc2,p2,f,0,-,\nc3,p3,f,,,crashed\nc4,p4,f,1,0.7:0,\n"
    table = read(tmp_path, text, FROC)
    found = table.found["froc:found"]
    assert list(found.rows) == [0, 0, 3]
    assert list(found.scores) == [0.9, 0.4, 0.7]
    assert list(found.hits) == ["1", "0", "0"]
    assert list(table.columns["froc:found"])[:2] == [2.0, 0.0]
    assert [row.numbers for row in rows_of(table, KEY)][2] == {}


@pytest.mark.parametrize(
    "cells",
    [
        "1,0.9",  # a score without hits
        "1,0.9:1 0.8:10",  # two thresholds for one object, one for the other
        "1,secret",
        "-1,0.9:1",
        "1.5,0.9:1",
        "1,",  # a number in one column and none in the other
    ],
)
def test_what_is_no_list_of_objects_is_refused_without_quoting_it(tmp_path, cells):
    with pytest.raises(MalformedFileError, match="line 2") as refused:
        read(tmp_path, OBJECTS + f"c1,p1,f,{cells},\n", FROC)
    assert "secret" not in str(refused.value)


def test_more_objects_than_any_site_reads_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(case_table, "MAX_OBJECTS", 2)
    with pytest.raises(MalformedFileError, match="more than 2 objects"):
        read(tmp_path, OBJECTS + "c1,p1,f,1,0.9:1 0.8:0 0.7:0,\n", FROC)


@pytest.mark.parametrize(
    ("evidence", "parts", "cells"),
    [
        ("average_precision", (":positive", ":score"), "0.5,0.1"),
        ("calibration_error", (":positive", ":score"), "1,1.1"),
        ("matthews_correlation", (":reference", ":predicted"), "0,-1"),
        ("balanced_accuracy", (":reference", ":predicted"), "0.5,1"),
        ("root_mean", ("",), "-1"),
    ],
)
def test_what_a_metric_cannot_be_made_of_is_refused(tmp_path, evidence, parts, cells):
    which = plan(metrics=[{"name": "own", "evidence": evidence}], primary="own")
    head = ",".join(f"own{part}" for part in parts)
    with pytest.raises(MalformedFileError, match=f"{evidence} cannot be made of in line 2"):
        read(tmp_path, f"case,patient,sex,{head},failure\nc1,p1,f,{cells},\n", which)

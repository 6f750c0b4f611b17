"""The preparation report as a worklist: what waits for a person, and what is malformed."""

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from medperf.domain.errors import EmptyInputError, MalformedFileError, UnreadableFileError
from medperf.site.worklist import read_report
from medperf.site.yaml_files import plain, read_table

TABLE = {
    "status": {"case10": 1, "case2": -1.5, "case1": "-2"},
    "status_name": {"case10": "prepared", "case2": "no label", "case1": "bad unit"},
    "comment": {"case2": "add a label", "case1": None},
    "data_path": {"case2": "/mlcommons/volumes/data/case2"},
    "reviewer": {"case2": "radiology"},
}


@pytest.fixture
def report(tmp_path):
    def write(content):
        text = content if isinstance(content, str) else yaml.safe_dump(content)
        (tmp_path / "report.yaml").write_text(text)
        return read_report(tmp_path / "report.yaml")

    return write


def test_outstanding_cases_come_with_what_to_do(report):
    outstanding = report(TABLE).outstanding
    assert [(case.case, case.status_name, case.comment) for case in outstanding] == [
        ("case1", "bad unit", ""),
        ("case2", "no label", "add a label"),
    ]
    assert outstanding[1].data_path == "/mlcommons/volumes/data/case2"
    assert outstanding[1].other == {"reviewer": "radiology"}


def test_cases_are_in_natural_order(report):
    assert [case.case for case in report(TABLE).cases] == ["case1", "case2", "case10"]


def test_numbers_longer_than_python_reads_have_their_place(report):
    long = "9" * 5000
    cases = report({"status": dict.fromkeys([f"a{long}", "a10", "a09", "a2", "a"], 1)}).cases
    assert [case.case for case in cases] == ["a", "a2", "a09", "a10", f"a{long}"]


def test_statuses_are_counted_worst_first(report):
    assert list(report(TABLE).counts.items()) == [("bad unit", 1), ("no label", 1), ("prepared", 1)]


def test_status_without_a_name_is_its_number(report):
    assert report({"status": {"a": -3}}).cases[0].status_name == "status -3"


def test_numbers_as_case_names_are_names(report):
    assert report("status: {17: 1, 2024-01-01: 2}").cases[1].case == "2024-01-01"


@pytest.mark.parametrize("content", ["", "{}"])
def test_no_report_is_none(report, content):
    assert report(content) is None


def test_missing_report_is_none(tmp_path):
    assert read_report(tmp_path / "report.yaml") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("status: [1", "line 1 is not YAML|line 2 is not YAML"),
        ("just text", "not a table"),
        ("- 1\n- 2", "not a table"),
        ("a: &x [1]\nb: *x", "line 2, uses an alias"),
        ("status: 1", "column 'status' is not a table of cases"),
        ("comment: {case1: x}", "no column 'status'; it has 'comment'"),
        ("status: {case1: done}", "status of case 'case1' is not a number but 'done'"),
        ("status: {case1: true}", "not a number but True"),
        ("status: {case1: nan}", "not a number but 'nan'"),
        ("status: {case1: [1]}", r"not a number but \[1\]"),
        pytest.param(f"status: {{a: {'9' * 400}}}", "not a number but None", id="huge status"),
        ("status: {case1: .nan}", "not a number but None"),
        ("status: {case1: 1}\ncomment: {case2: x}", "case 'case2' is not a number but None"),
        ("status: !!python/object/apply:os.system ['true']", "not YAML"),
        ("\x00", "not YAML"),
        ("? [1, 2]\n: 3", "unhashable key"),
        pytest.param("[" * 500_000, "nested more than 64 deep", id="deep list"),
        pytest.param("{a: " * 500_000, "nested more than 64 deep", id="deep table"),
        pytest.param("- " * 500_000, "nested more than 64 deep", id="deep block"),
        ("status: {case1: 2024-99-99}", "not"),
    ],
)
def test_malformed_report_is_one_clear_error(report, content, message):
    with pytest.raises(MalformedFileError, match=message):
        report(content)


def test_report_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "report.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MalformedFileError, match="UTF-8"):
        read_report(tmp_path / "report.yaml")


def test_huge_report_is_refused_before_it_is_parsed(tmp_path):
    (tmp_path / "report.yaml").write_text("status: {a: 1}")
    with pytest.raises(MalformedFileError, match="larger than 5 bytes"):
        read_table(tmp_path / "report.yaml", max_bytes=5, what="report")


def test_link_in_place_of_a_report_is_not_followed(tmp_path):
    (tmp_path / "secret").write_text("status: {a: 1}")
    (tmp_path / "report.yaml").symlink_to("secret")
    with pytest.raises(UnreadableFileError):
        read_report(tmp_path / "report.yaml")


def test_folder_in_place_of_a_report_is_refused(tmp_path):
    (tmp_path / "report.yaml").mkdir()
    with pytest.raises(MalformedFileError, match="not a file"):
        read_report(tmp_path / "report.yaml")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(EmptyInputError, match="no statistics file"):
        read_table(tmp_path / "x", max_bytes=10, what="statistics file")


@given(
    st.dictionaries(
        st.text("ab01", min_size=1), st.floats(allow_nan=False, allow_infinity=False), min_size=1
    )
)
def test_every_case_is_in_the_report_once(tmp_path_factory, statuses):
    path = tmp_path_factory.mktemp("report") / "report.yaml"
    path.write_text(yaml.safe_dump({"status": statuses}))
    found = read_report(path)
    assert {case.case: case.status for case in found.cases} == statuses
    assert sum(found.counts.values()) == len(statuses)
    assert len(found.outstanding) == sum(value < 0 for value in statuses.values())


def test_values_become_plain():
    assert plain({1: (math.inf, math.nan, 16**5000, True), "a": {"b": None}}) == {
        "1": [None, None, None, True],
        "a": {"b": None},
    }
    assert plain({16**5000: 1, True: 2, 1.5: 3}) == {"None": 1, "True": 2, "1.5": 3}

"""A site's log has fields from a list, and nothing else can ride along."""

import io
import json

import pytest

from medperf.site.events import site_log


def test_an_event_is_a_line_of_json():
    stream = io.StringIO()
    site_log(stream).info("job_failed", job=3, code="step-failed")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["job"], line["level"]) == ("job_failed", 3, "info")


def test_a_field_that_is_not_on_the_list_is_left_out():
    stream = io.StringIO()
    site_log(stream).info("job_failed", file="jane-doe.dcm")
    assert "jane" not in stream.getvalue()


def test_in_tests_such_a_field_is_an_error():
    with pytest.raises(AssertionError, match="file"):
        site_log(io.StringIO(), strict=True).info("job_failed", file="jane-doe.dcm")

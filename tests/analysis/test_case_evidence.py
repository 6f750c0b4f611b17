"""What a site may say about each number of a plan, from a table of its cases."""

from array import array
from math import nan

import pytest

from medperf.analysis.case_evidence import measure
from medperf.domain.benchmarks import AnalysisPlan
from medperf.domain.case_table import CaseTable, Evidence, FoundObjects, columns_of

LEVELS = {
    Evidence.SENSITIVITY_AT_SPECIFICITY: "sensitivity_at_specificity_0.9",
    Evidence.SPECIFICITY_AT_SENSITIVITY: "specificity_at_sensitivity_0.9",
}


@pytest.mark.parametrize("evidence", Evidence)
def test_a_model_that_failed_on_every_case_has_no_value_whatever_the_metric(evidence):
    name = LEVELS.get(evidence, "metric")
    plan = AnalysisPlan.model_validate(
        {"metrics": [{"name": name, "evidence": evidence}], "primary": name}
    )
    columns = columns_of(name, evidence)
    table = CaseTable(
        cases=("a", "b"),
        patients=("p", "q"),
        usable=[False, False],
        subgroups={},
        columns={column: array("d", [nan, nan]) for column in columns},
        found={column: FoundObjects(array("l"), array("d"), []) for column in columns[1:]},
    )
    [cell] = measure(table, plan, None)
    assert (cell.summary, cell.absence) == (None, "no_cases")

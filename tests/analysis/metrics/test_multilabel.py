"""Multi-label metrics equal scikit-learn's, and leave out what the reference does not know."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from medperf.analysis.metrics import binary
from medperf.analysis.metrics.definition import Missing
from medperf.analysis.metrics.multilabel import LabeledCases, definition, value_of
from medperf.analysis.metrics.multilabel_table import DEFINITIONS


@st.composite
def findings(draw, known=1.0):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(4, 40)), 3
    probabilities = rng.random(shape)
    reference = rng.random(shape) < probabilities
    reference[:2] = [[True] * 3, [False] * 3]
    is_known = rng.random(shape) < known
    is_known[:2] = True
    names = ("edema", "mass", "nodule")
    return LabeledCases(names, reference, is_known, probabilities >= 0.5, probabilities)


@settings(max_examples=30, deadline=None)
@given(cases=findings())
def test_values_equal_those_of_scikit_learn(cases):
    y, p, s = cases.reference, cases.predicted, cases.probabilities
    expected = {
        "auroc": oracle.roc_auc_score(y, s),
        "average_precision": oracle.average_precision_score(y, s),
        "sensitivity": oracle.recall_score(y, p, average="macro"),
        "f1": oracle.f1_score(y, p, average="macro"),
        "f1_micro": oracle.f1_score(y, p, average="micro"),
        "exact_match": oracle.accuracy_score(y, p),
        "hamming_loss": oracle.hamming_loss(y, p),
        "accuracy": 1 - oracle.hamming_loss(y, p),
    }
    assert {name: value_of(name, cases).value for name in expected} == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(cases=findings(known=0.6))
def test_a_finding_is_scored_where_it_is_known(cases):
    known = cases.known[:, 1]
    expected = binary.auroc(cases.reference[known, 1], cases.probabilities[known, 1])
    assert value_of("auroc", cases, "mass") == expected
    assert value_of("exact_match", cases).n == cases.known.all(axis=1).sum()


def test_a_finding_that_never_occurs_leaves_no_mean():
    yes = np.ones((3, 2), dtype=bool)
    cases = LabeledCases(("a", "b"), yes, yes, yes, np.full((3, 2), 0.5))
    assert value_of("auroc", cases).missing is Missing.ABSENT_CLASS
    assert value_of("exact_match", cases).value == 1.0


def test_nothing_known_in_full_leaves_no_whole_case():
    yes = np.ones((3, 2), dtype=bool)
    known = yes.copy()
    known[:, 0] = False
    cases = LabeledCases(("a", "b"), yes, known, yes)
    assert value_of("hamming_loss", cases).missing is Missing.NO_CASES
    nobody = cases.where(np.zeros(3, dtype=bool))
    assert value_of("f1", nobody).missing is Missing.NO_CASES


def test_no_finding_present_or_predicted_has_no_micro_f1():
    no = np.zeros((2, 2), dtype=bool)
    assert value_of("f1_micro", LabeledCases(("a", "b"), no, ~no, no)).missing is Missing.ONE_CLASS


@pytest.mark.parametrize("name", ["auroc", "brier", "exact_match"])
def test_a_mean_over_findings_says_so(name):
    assert definition(name).average == ("native" if name == "exact_match" else "macro")
    assert DEFINITIONS[name].upper == 1.0

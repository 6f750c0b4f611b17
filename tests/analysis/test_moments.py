"""Merging moments is computing them over all cases at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from medperf.analysis.moments import NO_CASES, Moments, merge
from medperf.domain.errors import InestimableError

VALUES = st.lists(st.floats(-100, 100).map(lambda v: round(v, 3)), min_size=1, max_size=30)


def close(a: Moments, b: Moments) -> None:
    assert a.n == b.n
    scale = 1 + max(abs(b.m4), abs(b.m3), b.m2)
    assert (a.mean, a.m2, a.m3, a.m4) == pytest.approx((b.mean, b.m2, b.m3, b.m4), abs=1e-9 * scale)


@given(sites=st.lists(VALUES, min_size=1, max_size=6))
def test_merging_sites_equals_pooling_their_cases(sites):
    parts = [Moments.of(np.array(values)) for values in sites]
    close(merge(parts), Moments.of(np.concatenate([np.array(values) for values in sites])))


@given(sites=st.lists(VALUES, min_size=2, max_size=6), data=st.data())
def test_the_order_of_sites_does_not_matter(sites, data):
    parts = [Moments.of(np.array(values)) for values in sites]
    close(merge(data.draw(st.permutations(parts))), merge(parts))


@given(values=VALUES)
def test_merging_nothing_changes_nothing(values):
    moments = Moments.of(np.array(values))
    assert moments.merged(NO_CASES) == moments
    assert merge([moments]) == moments


def test_shape_equals_scipy():
    values = np.random.default_rng(5).gamma(2.0, size=200)
    moments = Moments.of(values)
    assert moments.variance == pytest.approx(values.var(ddof=1))
    assert moments.m3 / 200 == pytest.approx(stats.moment(values, 3))
    assert moments.m4 / 200 == pytest.approx(stats.moment(values, 4))


def test_equal_values_have_no_shape():
    moments = Moments.of(np.full(4, 0.5))
    assert (moments.m3, moments.m4, moments.variance) == (0.0, 0.0, 0.0)


def test_one_case_has_no_variance_and_none_has_no_mean():
    with pytest.raises(InestimableError, match="two cases"):
        _ = Moments.of(np.array([1.0])).variance
    with pytest.raises(InestimableError, match="no case"):
        Moments.of(np.array([]))

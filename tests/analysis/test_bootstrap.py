"""Replicates are precise, paired, and useless for finding out about a case."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from medperf.analysis import bootstrap
from medperf.analysis.bootstrap import (
    Weights,
    resample,
    site_generator,
    weighted_auroc,
    weighted_mean,
    weighted_ratio,
)
from medperf.analysis.delong import auroc
from medperf.analysis.intervals import clustered_mean
from medperf.domain.errors import InestimableError

SECRET, OTHER = b"a site keeps this to itself, ever", b"what an attacker has to guess at"
PATIENTS = [f"p{number:03}" for number in range(60)]


def weights_of(
    secret=SECRET, dataset="sha256:01", scheme=Weights.EXPONENTIAL, b=400, patients=PATIENTS
):
    return resample(site_generator(secret, dataset), patients, b, scheme)


# --- the secret ---


def test_the_same_secret_and_dataset_give_the_same_weights():
    assert np.array_equal(weights_of().weights, weights_of().weights)


@pytest.mark.parametrize("scheme", list(Weights))
def test_weights_drawn_some_at_a_time_are_the_same(scheme, monkeypatch):
    whole = weights_of(scheme=scheme).weights
    monkeypatch.setattr(bootstrap, "_BLOCK", 7 * len(PATIENTS))
    assert np.array_equal(weights_of(scheme=scheme).weights, whole)


def test_the_order_of_patients_does_not_matter():
    assert np.array_equal(weights_of().weights, weights_of(patients=PATIENTS[::-1] * 2).weights)


@pytest.mark.parametrize("other", [{"secret": OTHER}, {"dataset": "sha256:02"}])
def test_another_secret_or_dataset_gives_unrelated_weights(other):
    a, b = weights_of().weights.ravel(), weights_of(**other).weights.ravel()
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(a.size)


def test_a_short_secret_is_refused():
    with pytest.raises(InestimableError, match="7 bytes"):
        site_generator(b"short!!", "sha256:01")


# If one of these changes, models of before and after are no longer paired: give it a new version.
@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        (
            Weights.EXPONENTIAL,
            [
                [0.345828750174, 0.181454544175, 0.044786220768],
                [0.347011918262, 0.003260424846, 0.207806184117],
            ],
        ),
        (Weights.POISSON, [[1, 1, 2], [1, 4, 1]]),
        (Weights.MULTINOMIAL, [[0, 1, 2], [0, 1, 2]]),
    ],
)
def test_the_weights_of_a_version_never_change(scheme, expected):
    drawn = resample(site_generator(b"s" * 32, "sha256:00"), ["a", "b", "c"], 2, scheme)
    assert drawn.weights == pytest.approx(np.array(expected))


@pytest.mark.parametrize("scheme", list(Weights))
def test_weights_have_mean_one_and_nearly_variance_one(scheme):
    drawn = weights_of(scheme=scheme, b=2000).weights
    assert drawn.mean() == pytest.approx(1, abs=0.02)
    assert drawn.var() == pytest.approx(1, abs=0.08)
    assert (drawn >= 0).all()


@pytest.mark.parametrize("n_patients", [10, 20, 40])
def test_the_spread_of_replicates_is_right_also_for_few_patients(n_patients):
    names = PATIENTS[:n_patients]
    values = np.random.default_rng(9).normal(size=n_patients)
    spread = weights_of(patients=names, b=8000).replicates(names, weighted_mean(values)).var()
    assert spread == pytest.approx(values.var(ddof=1) / n_patients, rel=0.05)


def test_multinomial_weights_draw_as_many_patients_as_there_are():
    assert (weights_of(scheme=Weights.MULTINOMIAL).weights.sum(axis=1) == len(PATIENTS)).all()


# --- the attack ---


def attack(released, guessed):
    """Least squares for the case values: released mean times total weight is a sum over cases."""
    found, *_ = np.linalg.lstsq(guessed, released * guessed.sum(axis=1), rcond=None)
    return found


@pytest.mark.parametrize("scheme", list(Weights))
def test_with_leaked_weights_an_attacker_recovers_every_case(scheme):
    values = np.random.default_rng(1).random(60)
    resampling = weights_of(scheme=scheme)
    released = resampling.replicates(PATIENTS, weighted_mean(values)).round(6)
    found = attack(released, resampling.weights)
    assert np.abs(found - values).max() < 1e-4


@pytest.mark.parametrize("scheme", list(Weights))
def test_without_the_weights_the_attack_finds_nothing_about_a_case(scheme):
    values = np.random.default_rng(1).random(60)
    released = weights_of(scheme=scheme, b=2000).replicates(PATIENTS, weighted_mean(values))
    errors, likeness = [], []
    for number in range(20):
        guess = weights_of(secret=OTHER + bytes([number]), scheme=scheme, b=2000)
        found = attack(released, guess.weights)
        errors.append(np.sqrt(np.mean((found - values) ** 2)))
        likeness.append(np.corrcoef(found, values)[0, 1])
    # No better than answering the released mean for every patient, and no relation to the truth.
    assert np.mean(errors) > 0.95 * values.std()
    assert abs(np.mean(likeness)) < 4 / np.sqrt(20 * 60)


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(60)))
def test_every_assignment_of_values_to_patients_explains_the_replicates_as_well(order):
    # The same replicates follow from the permuted values under the permuted weights, which are
    # drawn with the same probability. So the replicates cannot tell who has which value.
    values = np.random.default_rng(1).random(60)
    resampling = weights_of(b=50)
    released = resampling.replicates(PATIENTS, weighted_mean(values))
    permuted = bootstrap.Resampling(resampling.patients, resampling.weights[:, order])
    assert permuted.replicates(PATIENTS, weighted_mean(values[list(order)])) == pytest.approx(
        released
    )


# --- the statistics ---


@pytest.mark.parametrize("scheme", list(Weights))
def test_the_spread_of_replicates_is_the_error_of_the_mean_over_patients(scheme):
    rng = np.random.default_rng(2)
    patients = np.sort(rng.integers(0, 60, size=200))
    names = [PATIENTS[p] for p in patients]
    values = rng.normal(size=200) + rng.normal(size=60)[patients]
    replicates = weights_of(scheme=scheme, b=4000).replicates(names, weighted_mean(values))
    expected = clustered_mean(values, patients)
    assert replicates.mean() == pytest.approx(expected.value, abs=0.05)
    assert replicates.std() == pytest.approx(expected.standard_error, rel=0.08)


def test_replicates_of_two_models_are_paired():
    rng = np.random.default_rng(3)
    first = rng.normal(size=60)
    second = first + 0.1 * rng.normal(size=60)
    resampling = weights_of(b=4000)
    spread = np.std(
        resampling.replicates(PATIENTS, weighted_mean(first))
        - resampling.replicates(PATIENTS, weighted_mean(second))
    )
    assert spread == pytest.approx(np.std(first - second) / np.sqrt(60), rel=0.1)


def test_a_model_that_failed_on_a_case_meets_the_same_weights_for_the_rest():
    values = np.random.default_rng(4).random(60)
    resampling = weights_of()
    without_first = resampling.replicates(PATIENTS[1:], weighted_mean(values[1:]))
    rest = resampling.weights[:, 1:]
    assert without_first == pytest.approx(rest @ values[1:] / rest.sum(axis=1))


@settings(max_examples=40, deadline=None)
@given(
    data=st.lists(st.tuples(st.integers(0, 6), st.integers(1, 5)), min_size=4, max_size=40),
    positive=st.integers(1, 3),
)
def test_the_weighted_auroc_equals_scikit_learn(data, positive):
    scores = np.array([score for score, _ in data], dtype=float)
    weights = np.array([weight for _, weight in data], dtype=float)
    truth = np.arange(len(data)) < positive
    ours = weighted_auroc(truth, scores)(weights[np.newaxis, :])
    assert ours[0] == pytest.approx(roc_auc_score(truth, scores, sample_weight=weights))


def test_the_spread_of_auroc_replicates_is_delongs_error():
    rng = np.random.default_rng(5)
    names = [f"p{number}" for number in range(300)]
    truth = rng.random(300) < 0.3
    scores = rng.normal(size=300) + truth
    resampling = resample(site_generator(SECRET, "sha256:03"), names, 2000)
    replicates = resampling.replicates(names, weighted_auroc(truth, scores))
    assert replicates.std() == pytest.approx(auroc(truth, scores).standard_error, rel=0.08)


def test_a_ratio_of_sums_gives_f1():
    truth = np.array([1, 1, 1, 0, 0], dtype=float)
    predicted = np.array([1, 1, 0, 1, 0], dtype=float)
    statistic = weighted_ratio(2 * truth * predicted, truth + predicted)
    assert statistic(np.ones((1, 5)))[0] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))


def test_a_replicate_without_positives_has_no_value():
    weights = np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    values = weighted_auroc([True, False, False], np.array([2.0, 1.0, 3.0]))(weights)
    assert values[0] == 0.5
    assert np.isnan(values[1])


def test_large_datasets_are_computed_in_blocks_with_the_same_values(monkeypatch):
    values = np.random.default_rng(6).random(60)
    whole = weights_of().replicates(PATIENTS, weighted_mean(values))
    monkeypatch.setattr(bootstrap, "_BLOCK", 700)
    assert weights_of().replicates(PATIENTS, weighted_mean(values)) == pytest.approx(whole)


def test_a_case_of_an_unknown_patient_is_refused():
    with pytest.raises(InestimableError, match="1 of 2 cases"):
        weights_of().replicates(["p000", "nobody"], weighted_mean(np.array([1.0, 2.0])))


def test_one_patient_is_too_few():
    with pytest.raises(InestimableError, match="two patients"):
        resample(site_generator(SECRET, "sha256:01"), ["p"] * 5)

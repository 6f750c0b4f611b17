"""Paired replicates as sites would release them, for models of known quality."""

import numpy as np
import pytest

from medperf.analysis.bootstrap import resample, site_generator, weighted_mean


@pytest.fixture
def paired():
    """Values and paired replicates of models on the same ``n`` patients, whose cases are alike."""

    def make(means, *, n=200, noise=0.05, seed=1, n_replicates=1000):
        rng = np.random.default_rng(seed)
        patients = [f"p{i}" for i in range(n)]
        resampling = resample(site_generator(b"k" * 32, f"sha256:{seed}"), patients, n_replicates)
        shared = rng.normal(0, 0.2, size=n)
        values, replicates = {}, {}
        for name, mean in means.items():
            cases = mean + shared + rng.normal(0, noise, size=n)
            values[name] = float(cases.mean())
            replicates[name] = resampling.replicates(patients, weighted_mean(cases))
        return values, replicates

    return make

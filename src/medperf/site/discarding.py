"""Discard a dataset: what was made from raw data here is deleted, and its history stays.

Raw data are only ever read, and so are the server's records: a registered dataset is withdrawn
there first. The name becomes free for another dataset. The files are renamed in the transaction
that says so and deleted after it, so a dataset is never half there; what a killed process left is
deleted by the next pruning.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from medperf.domain.errors import ConflictError
from medperf.domain.lifecycle import PREPARATION
from medperf.site.fingerprint_cache import FingerprintCache
from medperf.site.preparation import only_one
from medperf.site.steps import Steps
from medperf.site.store.connection import Store
from medperf.site.store.datasets import Datasets, LocalDataset
from medperf.site.store.jobs import Jobs

_PREFIX = ".discarded-"


class Discarding:
    """Discards the datasets of one site.

    Args:
        store: holds what follows.
        datasets: of the site.
        jobs: which may need a dataset.
        steps: to end what a killed preparation left running.
        cache: forgets the names of files.
        is_withdrawn: whether the server says so of a dataset with this number there.
    """

    def __init__(
        self,
        store: Store,
        datasets: Datasets,
        jobs: Jobs,
        steps: Steps,
        cache: FingerprintCache,
        *,
        is_withdrawn: Callable[[int], bool],
    ) -> None:
        self._store = store
        self._datasets = datasets
        self._jobs = jobs
        self._steps = steps
        self._cache = cache
        self._is_withdrawn = is_withdrawn

    def discard(self, number: int, *, actor: str, reason: str = "") -> LocalDataset:
        """Delete the files of a dataset.

        Args:
            number: the local number.
            actor: who asks, for the history.
            reason: why, for the history.

        Raises:
            ConflictError: it is registered and not withdrawn, a job is not done with it, or a
                process prepares it now.
            TransitionError: it was discarded before.
        """
        dataset = self._datasets.get(number)
        PREPARATION.apply(dataset.state, "discard")
        self._require_withdrawn(dataset)
        place = dataset.folder.root
        gone = place.with_name(f"{_PREFIX}{number}")
        roots = [root.resolve() for root in dataset.roots.values()]
        with only_one(dataset):
            with self._store.transaction(durable=True):
                self._require_unused(dataset)
                done = self._datasets.discard(number, actor=actor, reason=reason)
                place.rename(gone)
            if dataset.step_id is not None:
                self._steps.cleanup(dataset.preparator, dataset.step_id)
        for root in roots:
            self._cache.forget(root)
        shutil.rmtree(gone)
        return done

    def _require_withdrawn(self, dataset: LocalDataset) -> None:
        if dataset.dataset_id is not None and not self._is_withdrawn(dataset.dataset_id):
            raise ConflictError(
                f"{dataset.name!r} is dataset {dataset.dataset_id} at the server, where results may"
                " still be asked of it",
                hint=f"Withdraw it first: medperf dataset withdraw {dataset.dataset_id}",
            )

    def _require_unused(self, dataset: LocalDataset) -> None:
        busy = [
            job.number
            for job in self._jobs.in_states()
            if job.dataset_id == dataset.dataset_id and not job.is_final
        ]
        if busy:
            raise ConflictError(
                f"job {busy[0]} is not done with {dataset.name!r} yet",
                hint="A running agent cancels it when it hears of the withdrawal:"
                " medperf site status",
            )


def delete_leftovers(datasets: Path) -> None:
    """Delete what a killed process left of discarded datasets, below the folder of all."""
    for place in datasets.glob(f"{_PREFIX}*"):
        shutil.rmtree(place, ignore_errors=True)

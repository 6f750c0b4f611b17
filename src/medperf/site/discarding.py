"""Discard a dataset: what was made from raw data here is deleted, and its history stays.

Raw data are only ever read, and so are the server's records: a registered dataset is withdrawn
there first. The name becomes free for another dataset, and the same data can be imported again.
First the store says that the dataset is discarded, then its files are deleted; what is left of
them, say by a killed process, is deleted by the same command again, or by the next pruning.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from medperf.domain.datasets import Dataset
from medperf.domain.errors import ConflictError
from medperf.domain.lifecycle import PREPARATION
from medperf.runners.outputs import delete
from medperf.site.fingerprint_cache import FingerprintCache
from medperf.site.gate import DATASET
from medperf.site.preparation import only_one
from medperf.site.steps import Steps
from medperf.site.store.connection import Store
from medperf.site.store.datasets import Datasets, LocalDataset
from medperf.site.store.jobs import Jobs
from medperf.site.store.ledger import Ledger

_DISCARDED = "discarded"


class Discarding:
    """Discards the datasets of one site.

    Args:
        store: holds what follows.
        datasets: of the site.
        jobs: which may need a dataset.
        ledger: which registrations left.
        steps: to end what a killed preparation left running.
        cache: forgets the names of files.
        at_server: what the server has of a dataset and is not withdrawn there, if anything.
    """

    def __init__(
        self,
        store: Store,
        datasets: Datasets,
        jobs: Jobs,
        ledger: Ledger,
        steps: Steps,
        cache: FingerprintCache,
        *,
        at_server: Callable[[LocalDataset], Dataset | None],
    ) -> None:
        self._store = store
        self._datasets = datasets
        self._jobs = jobs
        self._ledger = ledger
        self._steps = steps
        self._cache = cache
        self._at_server = at_server

    def discard(self, number: int, *, actor: str, reason: str = "") -> LocalDataset:
        """Delete the files of a dataset.

        Args:
            number: the local number.
            actor: who asks, for the history.
            reason: why, for the history.

        Raises:
            ConflictError: the server has it and it is not withdrawn there, a job is not done with
                it, or a process prepares or registers it now.
            UnavailableError: it may have been registered, and the server cannot be asked.
            TransitionError: it was discarded before, and nothing of it is left.
            OSError: its files cannot be deleted; ask again when they can.
        """
        dataset = self._datasets.get(number)
        if dataset.state != _DISCARDED or not dataset.folder.root.exists():
            PREPARATION.apply(dataset.state, "discard")
            with only_one(dataset):
                dataset = self._give_up(self._datasets.get(number), actor, reason)
        _delete(dataset.folder.root)
        return dataset

    def _give_up(self, dataset: LocalDataset, actor: str, reason: str) -> LocalDataset:
        self._require_withdrawn(dataset)
        roots = [root.resolve() for root in dataset.roots.values()]
        if dataset.step_id is not None:
            self._steps.cleanup(dataset.preparator, dataset.step_id)
        with self._store.transaction(durable=True):
            self._require_unused(dataset)
            done = self._datasets.discard(dataset.number, actor=actor, reason=reason)
        for root in roots:
            self._cache.forget(root)
        return done

    def _require_withdrawn(self, dataset: LocalDataset) -> None:
        if not self._may_be_registered(dataset):
            return
        found = self._at_server(dataset)
        if found is None:
            return
        # Without a number here, whoever registered it was killed before hearing of it.
        first = "" if dataset.dataset_id else f"medperf dataset register {dataset.name!r}, then "
        raise ConflictError(
            f"{dataset.name!r} is dataset {found.id} at the server, where results may still be"
            " asked of it",
            hint=f"Withdraw it first: {first}medperf dataset withdraw {found.id}",
        )

    def _may_be_registered(self, dataset: LocalDataset) -> bool:
        """Whether it is, or something about it left for the server, however that ended."""
        if dataset.dataset_id is not None:
            return True
        found = dataset.fingerprint
        return found is not None and self._ledger.find(DATASET, found) is not None

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


def delete_leftovers(datasets: Datasets) -> list[LocalDataset]:
    """Delete what is left of discarded datasets; answers those of which something stays."""
    stubborn = []
    for dataset in datasets.all(state=_DISCARDED):
        try:
            _delete(dataset.folder.root)
        except OSError:
            stubborn.append(dataset)
    return stubborn


def _delete(place: Path) -> None:
    if place.is_symlink():  # somebody keeps it on another disk
        target = place.resolve()
        place.unlink()
        place = target
    with suppress(FileNotFoundError):  # or another process deletes it at the same time
        delete(place)

"""Holds a document against the cases behind it, this site's limits, and all that left before.

The rules are `medperf.policy.screening`; what they need to know is gathered here.
"""

import hmac
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from medperf.domain.benchmarks import AnalysisPlan
from medperf.domain.case_table import CaseTable
from medperf.domain.clock import Clock
from medperf.domain.results import ResultDocument
from medperf.policy.cohorts import PATIENT_BYTES, Release
from medperf.policy.disclosure import SmallCell
from medperf.policy.screening import CaseRow, Limits, Screened, screen
from medperf.site.plans import ExecutionPlan
from medperf.site.settings import Settings
from medperf.site.store.connection import Store
from medperf.site.store.disclosures import Disclosures


class Screening:
    """The gate's memory and measure."""

    def __init__(self, store: Store, clock: Clock, settings: Callable[[], Settings]) -> None:
        self._store = store
        self._settings = settings
        self.disclosures = Disclosures(store, clock)

    def strict(self, plan: AnalysisPlan) -> AnalysisPlan:
        """The plan with the stricter of its own and the site's limits."""
        limits = self.limits(plan)
        return plan.model_copy(
            update={"smallest_cell": limits.smallest_cell, "largest_share": limits.largest_share}
        )

    def limits(self, plan: AnalysisPlan | None = None) -> Limits:
        """The site's limits, or the stricter of them and a plan's."""
        settings = self._settings()
        mine = Limits(settings.smallest_cell, settings.largest_share)
        if plan is None:
            return mine
        return Limits(
            max(mine.smallest_cell, plan.smallest_cell), min(mine.largest_share, plan.largest_share)
        )

    def screen(
        self,
        job: int,
        plan: ExecutionPlan,
        document: ResultDocument,
        cases: CaseTable | None,
        small: Sequence[SmallCell],
    ) -> Screened:
        """Screen a job's document and keep the cells of what is left of it.

        ``cases`` is the evaluator's table, if it left one; cohorts are known by size else.

        Call it in the transaction that takes the job to its next state: then no other document can
        pass that would give somebody away together with this one.
        """
        about = Release(
            name=f"job {job}",
            model=plan.model_container.digest,
            owner_id=plan.model.organization_id,
            fingerprint=plan.inputs.dataset_fingerprint,
            cells=(),
        )
        rows = rows_of(cases, self.disclosures.key()) if cases is not None else []
        analysis_plan = plan.benchmark.analysis_plan
        with self._store.transaction():
            earlier = self.disclosures.earlier(job, model=about.model, owner_id=about.owner_id)
            screened = screen(
                document,
                analysis_plan,
                rows,
                self.limits(analysis_plan),
                about,
                small=small,
                earlier=earlier,
                n_cases=plan.dataset.n_cases,
            )
            if screened.document is not None:
                self.disclosures.keep(job, screened.release)
            return screened

    @contextmanager
    def leaving(self, job: int) -> Iterator[None]:
        """Have a job's cells count for ever, in one transaction with what is inside."""
        with self._store.transaction(durable=True):
            self.disclosures.left(job)
            yield


def rows_of(table: CaseTable, key: bytes) -> list[CaseRow]:
    """The cases of a table, under the tags by which the ledger knows them.

    Args:
        table: as it was read.
        key: the site's secret, under which cases and patients are hashed.
    """
    rows: list[CaseRow] = []
    for place, (case, patient) in enumerate(zip(table.cases, table.patients, strict=True)):
        numbers = {name: values[place] for name, values in table.columns.items()}
        rows.append(
            CaseRow(
                tag=tag_of(key, patient, case),
                patient=patient,
                is_usable=table.usable[place],
                subgroups={name: values[place] for name, values in table.subgroups.items()},
                numbers={name: n for name, n in numbers.items() if not math.isnan(n)},
            )
        )
    return rows


def tag_of(key: bytes, patient: str, case: str) -> bytes:
    """What stands for a case in the ledger; it begins with what stands for its patient."""
    return _hash(key, "patient", patient) + _hash(key, "case", case)


def _hash(key: bytes, kind: str, name: str) -> bytes:
    return hmac.digest(key, f"{kind}:{name}".encode(), "sha256")[:PATIENT_BYTES]

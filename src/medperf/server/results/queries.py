"""Reading results, as far as each benchmark's release policy says.

The dataset's and the benchmark's organizations always see a result. Others see it when the policy's
audience includes them and its moment has come; where only pooled figures may be seen the document
is left out, and where sites have pseudonyms a single result, which names its site, is not shown.
Statements are answered for one result, not in lists: they hold the document once more.
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    bindparam,
    case,
    cast,
    exists,
    literal,
    null,
    or_,
    select,
)

from medperf.domain import lifecycle
from medperf.server.call import Wire
from medperf.server.db.prepared import Prepared
from medperf.server.db.queries import ORGANIZATION, View, by_choice, by_id, one_of, unindexed
from medperf.server.db.tables import (
    associations,
    benchmarks,
    datasets,
    log_leaves,
    models,
    results,
    sites,
)

_own_sites = select(sites.c.id).where(sites.c.organization_id == ORGANIZATION)
_own_benchmarks = select(benchmarks.c.id).where(benchmarks.c.organization_id == ORGANIZATION)
_own_models = select(models.c.id).where(models.c.organization_id == ORGANIZATION)
_joined_benchmarks = (
    select(associations.c.benchmark_id)
    .outerjoin(datasets, datasets.c.id == associations.c.dataset_id)
    .outerjoin(models, models.c.id == associations.c.model_id)
    .where(
        associations.c.state == "approved",
        or_(datasets.c.organization_id == ORGANIZATION, models.c.organization_id == ORGANIZATION),
    )
)


def _benchmarks(*conditions: ColumnElement[bool]) -> Select[Any]:
    return select(benchmarks.c.id).where(*conditions)


_from_the_start = _benchmarks(benchmarks.c.release_moment == "submitted")
_when_approved = _benchmarks(
    or_(
        one_of(benchmarks.c.release_moment, "submitted", "approved"),
        and_(benchmarks.c.release_moment == "complete", benchmarks.c.is_complete),
    )
)
_named_sites = _benchmarks(~benchmarks.c.has_pseudonymous_sites)
_public = _benchmarks(benchmarks.c.release_audience == "public")
_participants = _benchmarks(
    benchmarks.c.release_audience == "participants", benchmarks.c.id.in_(_joined_benchmarks)
)

_own = or_(
    unindexed(results.c.site_id).in_(_own_sites),
    unindexed(results.c.benchmark_id).in_(_own_benchmarks),
)
_moment_has_come = or_(
    and_(results.c.state == "approved", unindexed(results.c.benchmark_id).in_(_when_approved)),
    and_(
        one_of(results.c.state, "pending", "rejected"),
        unindexed(results.c.benchmark_id).in_(_from_the_start),
    ),
)
_in_audience = or_(
    unindexed(results.c.model_id).in_(_own_models),
    unindexed(results.c.benchmark_id).in_(_public),
    unindexed(results.c.benchmark_id).in_(_participants),
)
_may_see_numbers = or_(
    _own, results.c.benchmark_id.in_(_benchmarks(benchmarks.c.release_detail == "per_site"))
)

_facts = (
    results.c.id,
    results.c.execution_id,
    results.c.benchmark_id,
    results.c.model_id,
    results.c.dataset_id,
    results.c.site_id,
    results.c.state,
    results.c.reason,
    results.c.decided_by,
    results.c.created_at,
    results.c.decided_at,
    case((_may_see_numbers, results.c.document), else_=null()).label("document"),
)

RESULTS = View(
    "result",
    results,
    (*_facts, case((_may_see_numbers, results.c.statement), else_=null()).label("statement")),
    or_(
        _own,
        and_(unindexed(results.c.benchmark_id).in_(_named_sites), _moment_has_come, _in_audience),
    ),
    {
        "state": by_choice(results.c.state, lifecycle.RESULT.states),
        "benchmark_id": by_id(results.c.benchmark_id),
        "model_id": by_id(results.c.model_id),
        "dataset_id": by_id(results.c.dataset_id),
        "site_id": by_id(results.c.site_id),
        "execution_id": by_id(results.c.execution_id),
    },
    list_columns=(*_facts, null().label("statement")),
)


_UNRELEASED = (
    select(results.c.id, results.c.statement)
    .where(
        results.c.benchmark_id == bindparam("of_benchmark"),
        ~exists(
            select(1)
            .select_from(log_leaves)
            .where(log_leaves.c.subject == literal("release:") + cast(results.c.id, String))
        ),
    )
    .order_by(results.c.id)
)
_ALL_UNRELEASED = Prepared(_UNRELEASED.where(results.c.state == "approved"))
_ONE_UNRELEASED = Prepared(_UNRELEASED.where(results.c.id == bindparam("number")))
_DIGEST = Prepared(select(results.c.statement_digest).where(results.c.id == bindparam("number")))


def unreleased(connection: Connection, benchmark_id: int, result_id: int | None) -> list[Wire]:
    """Number and statement of a benchmark's results that no release was logged of.

    Of the one result, whatever its state, or of all that are approved.
    """
    wanted = _ALL_UNRELEASED if result_id is None else _ONE_UNRELEASED
    given = {"of_benchmark": benchmark_id} | ({} if result_id is None else {"number": result_id})
    return [
        {"id": number, "statement": statement}
        for number, statement in wanted.all(connection, given)
    ]


def statement_digest(connection: Connection, number: int) -> str:
    """The digest of what a result's statement says."""
    found = _DIGEST.first(connection, {"number": number})
    return "" if found is None else str(found[0])

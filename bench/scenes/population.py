"""A full server: hundreds of datasets, models and results beside the first of each.

The first of each kind is registered through the API; the others are its copies, written straight
into the database, because registering a thousand of each takes longer than measuring them.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from sqlalchemy import Connection, Table, insert

from bench.scenes.cast import METRIC, N_CASES, Cast, Station
from bench.scenes.load import Request
from medperf.client.transport import SiteCredential
from medperf.domain.executions import GrantAnswer, Pair
from medperf.domain.results import MetricEstimate, ResultForm, TypedResult
from medperf.provenance.canonical import digest_of
from medperf.provenance.envelope import Envelope, sign
from medperf.provenance.predicates import ExecutionInputs, GrantPredicate, ResultPredicate
from medperf.provenance.statements import make_statement, read_statement
from medperf.server.db.queries import row
from medperf.server.db.session import Database
from medperf.server.db.tables import associations, containers, datasets, executions, models, results

N_SITES = 20
N_EACH = 1000
GRANTS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Population:
    """Who is there, and which numbers can be asked for."""

    cast: Cast
    stations: Sequence[Station]
    dataset_ids: Sequence[int]
    model_ids: Sequence[int]
    result_ids: Sequence[int]


def populate(cast: Cast, database_url: str, n_each: int = N_EACH) -> Population:
    """Datasets of several hospitals and models of a vendor, all in one benchmark, with results.

    Results are of the first ``N_SITES`` datasets, each with as many models as it takes.
    """
    stations = [cast.station(f"Site {number}") for number in range(N_SITES)]
    first_datasets = [cast.dataset(station, "Data") for station in stations]
    first_model = cast.model(cast.vendor, "Model")
    cast.take_part(cast.vendor.client, first_model)
    for station, dataset in zip(stations, first_datasets, strict=True):
        cast.take_part(station.client, dataset)
    form = _Reporter(cast, stations[0]).form(first_model.id, first_datasets[0].id)
    first_result = stations[0].client.results.submit(form)

    database = Database(database_url)
    with database.writing() as connection:
        copy = _Copier(connection)
        dataset_ids = [dataset.id for dataset in first_datasets]
        for number in range(n_each - N_SITES):
            original = first_datasets[number % N_SITES].id
            dataset_ids.append(
                copy.of(
                    datasets,
                    original,
                    name=f"Data {number}",
                    fingerprint=f"blake3:{uuid.uuid4().hex * 2}",
                )
            )
        model_ids = [first_model.id]
        for number in range(n_each - 1):
            container = copy.of(containers, first_model.container_id, name=f"Container {number}")
            model_ids.append(
                copy.of(models, first_model.id, name=f"Model {number}", container_id=container)
            )
        for noun, numbers, known in (
            ("dataset", dataset_ids, N_SITES),
            ("model", model_ids, 1),
        ):
            column = associations.c[f"{noun}_id"]
            original = copy.first_where(associations, column == numbers[0])
            for number in numbers[known:]:
                copy.of(associations, original, **{f"{noun}_id": number})
        result_ids = [first_result.id]
        pairs = list(product(range(N_SITES), model_ids[: n_each // N_SITES]))
        for where, model_id in pairs[1:]:
            place: dict[str, Any] = {
                "site_id": stations[where].record.id,
                "dataset_id": dataset_ids[where],
                "model_id": model_id,
            }
            execution = copy.of(
                executions, first_result.execution_id, grant_digest=uuid.uuid4().hex, **place
            )
            result_ids.append(
                copy.of(
                    results,
                    first_result.id,
                    execution_id=execution,
                    statement_digest=uuid.uuid4().hex,
                    **place,
                )
            )
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")  # as the database does by itself after a while
        connection.commit()
    database.close()
    return Population(cast, stations, dataset_ids, model_ids, result_ids)


def result_posts(population: Population, n: int) -> list[Request]:
    """Results that wait to be handed in: granted, signed, each by the key of its site."""
    first_model = N_EACH // N_SITES
    per_site = -(-n // len(population.stations))
    ready: list[list[Request]] = []
    for station, dataset_id in zip(population.stations, population.dataset_ids, strict=False):
        wanted = population.model_ids[first_model : first_model + per_site]
        reporter = _Reporter(population.cast, station)
        ready.append([reporter.request(form) for form in reporter.forms(wanted, dataset_id)])
    return [request for turn in zip(*ready, strict=True) for request in turn][:n]


class _Reporter:
    """A site's part in getting grants and signing results."""

    def __init__(self, cast: Cast, station: Station) -> None:
        self._cast = cast
        self._station = station

    def form(self, model_id: int, dataset_id: int) -> ResultForm:
        return next(iter(self.forms([model_id], dataset_id)))

    def forms(self, model_ids: Sequence[int], dataset_id: int) -> list[ResultForm]:
        pairs = [
            Pair(benchmark_id=self._cast.benchmark.id, model_id=number, dataset_id=dataset_id)
            for number in model_ids
        ]
        answers: list[GrantAnswer] = []
        for start in range(0, len(pairs), GRANTS_AT_ONCE):
            batch = tuple(pairs[start : start + GRANTS_AT_ONCE])
            answers += self._station.client.executions.request_grants(batch)
        return [self._signed(answer) for answer in answers]

    def request(self, form: ResultForm) -> Request:
        body = form.model_dump_json()
        target = "/api/v1/results"
        credential = SiteCredential(self._station.key)
        return Request("POST", target, credential.header("POST", target, body.encode()), body)

    def _signed(self, answer: GrantAnswer) -> ResultForm:
        grant = read_statement(Envelope.model_validate(answer.grant).content, GrantPredicate)
        estimate = MetricEstimate(name=METRIC, value=0.9, n=N_CASES)
        typed = TypedResult(n_cases=N_CASES, metrics=(estimate,))
        document = typed.model_dump(mode="json", exclude_none=True)
        inputs = {name: getattr(grant.predicate, name) for name in ExecutionInputs.model_fields}
        said = ResultPredicate(
            **inputs,
            grant_digest=grant.digest,
            grant_id=grant.predicate.grant_id,
            site_id=self._station.record.id,
            result_digest=digest_of(document),
            result=document,
            runner="fake",
        )
        envelope = sign(make_statement(said.subjects(), said), self._station.key)
        return ResultForm(statement=envelope.model_dump(mode="json"))


class _Copier:
    """Writes a row again with a new number and some other values."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._originals: dict[tuple[str, int], dict[str, Any]] = {}

    def of(self, table: Table, number: int | None, **changed: Any) -> int:
        known = self._originals.setdefault(
            (table.name, number or 0), self._row(table, table.c.id == number)
        )
        values = {**known, **changed}
        del values["id"]
        done = self._connection.execute(insert(table).values(**values))
        return int(done.inserted_primary_key[0])  # type: ignore[index]

    def first_where(self, table: Table, condition: Any) -> int:
        return int(self._row(table, condition)["id"])

    def _row(self, table: Table, condition: Any) -> dict[str, Any]:
        found = row(self._connection, table, condition)
        if found is None:
            raise LookupError(f"{table.name} has no such row")
        return found

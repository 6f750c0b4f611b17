"""The log says when a result was first shown to others, to whom, and how much of it."""

import pytest
from server_fixtures import Federation
from sqlalchemy import select

from medperf.provenance.envelope import Envelope
from medperf.provenance.predicates import ReleasePredicate, ResultPredicate
from medperf.provenance.statements import read_statement
from medperf.server.db.session import Database
from medperf.server.db.tables import log_leaves


def released(database: Database) -> list[ReleasePredicate]:
    with database.reading() as connection:
        found = connection.execute(
            select(log_leaves.c.envelope)
            .where(log_leaves.c.subject.startswith("release:"))
            .order_by(log_leaves.c.leaf)
        ).scalars()
        contents = [Envelope.from_value(each).content for each in found]
    return [read_statement(each, ReleasePredicate).predicate for each in contents]


def second_result(federation: Federation) -> int:
    model = federation.model(federation.vera, "Second")
    benchmark = federation.benchmark_record
    federation.associate(federation.vera, federation.cara, benchmark, model)
    return federation.run(federation.north, benchmark, model, federation.cases).id


def approve(federation: Federation, result: int) -> None:
    federation.cara.client.results.act(result, "approve")


def test_a_release_names_the_numbers_the_audience_and_the_detail(
    federation: Federation, database: Database
) -> None:
    federation = federation.in_another_benchmark(
        audience="public", detail="pooled", moment="submitted"
    )
    result = federation.result()
    [release] = released(database)
    statement = federation.cara.client.results.get(result.id).statement
    assert statement is not None
    envelope = Envelope.from_value(statement)
    said = read_statement(envelope.content, ResultPredicate).predicate
    assert release.result_digest == said.result_digest
    assert release.result_statement_digest == envelope.payload_digest
    assert (release.audience, release.detail) == ("public", "pooled")


def test_what_is_released_when_submitted_is_not_released_again_when_approved(
    federation: Federation, database: Database
) -> None:
    federation = federation.in_another_benchmark(moment="submitted")
    approve(federation, federation.result().id)
    assert len(released(database)) == 1


@pytest.mark.parametrize(("act", "n"), [("approve", 1), ("reject", 0)])
def test_a_result_is_released_when_it_is_approved(
    federation: Federation, database: Database, act: str, n: int
) -> None:
    federation = federation.in_another_benchmark(moment="approved")
    result = federation.result().id
    assert not released(database)
    federation.cara.client.results.act(result, act)
    assert len(released(database)) == n


def test_all_are_released_together_when_the_benchmark_is_complete(
    federation: Federation, database: Database
) -> None:
    federation = federation.in_another_benchmark(moment="complete")
    first, second = federation.result().id, second_result(federation)
    approve(federation, first)
    assert not released(database)
    approve(federation, second)
    assert len(released(database)) == 2


def test_a_benchmark_that_is_complete_again_releases_only_what_is_new(
    federation: Federation, database: Database
) -> None:
    federation = federation.in_another_benchmark(moment="complete")
    approve(federation, federation.result().id)
    assert len(released(database)) == 1
    approve(federation, second_result(federation))
    found = released(database)
    assert len({each.grant_id for each in found}) == len(found) == 2


def test_a_bundle_has_the_release_of_its_result(federation: Federation) -> None:
    federation = federation.in_another_benchmark(moment="submitted")
    result = federation.result()
    bundle = federation.cara.client.results.bundle(result.id)
    contents = (Envelope.from_value(each["envelope"]).content for each in bundle.statements)
    assert any(b"medperf:release:v1" in content for content in contents)

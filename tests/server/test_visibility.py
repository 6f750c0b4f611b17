"""Who sees what: what may not be seen does not exist."""

import pytest
from server_fixtures import Federation, SettableClock

from medperf.domain.errors import NotFoundError


def _sees(actor, noun: str, number: int) -> bool:
    shelf = getattr(actor.client, noun)
    try:
        shelf.get(number)
    except NotFoundError:
        seen = False
    else:
        seen = True
    assert seen == (number in {each.id for each in shelf.list()}), "list and detail disagree"
    return seen


def _who_sees(federation: Federation, noun: str, number: int) -> set[str]:
    actors = {
        "admin": federation.admin,
        "committee": federation.cara,
        "vendor": federation.vera,
        "hospital": federation.hana,
        "site": federation.north,
        "outsider": federation.olga,
    }
    return {name for name, actor in actors.items() if _sees(actor, noun, number)}


EVERYBODY = {"admin", "committee", "vendor", "hospital", "site", "outsider"}
HOSPITAL = {"hospital", "site"}


def test_emails_are_for_oneself_colleagues_and_admins(federation: Federation) -> None:
    vera = federation.vera.user.id
    victor = federation.person(federation.vendor, "Victor")
    for actor in (federation.vera, victor, federation.admin):
        assert actor.client.users.get(vera).email is not None
    for actor in (federation.cara, federation.hana, federation.north):
        assert actor.client.users.get(vera).email is None
        assert {u.email for u in actor.client.users.list() if u.id == vera} == {None}


def test_statistics_are_for_the_hospital_and_those_it_asked(federation: Federation) -> None:
    cases = federation.cases.id
    for actor in (federation.hana, federation.north, federation.cara):
        assert actor.client.datasets.get(cases).statistics == {"n_cases": 20}
    assert federation.admin.client.datasets.get(cases).statistics is None


def test_a_dataset_is_for_the_hospital_those_it_asked_and_admins(federation: Federation) -> None:
    assert _who_sees(federation, "datasets", federation.cases.id) == HOSPITAL | {
        "committee",
        "admin",
    }
    private = federation.dataset(federation.north, federation.benchmark_record, "Private")
    assert _who_sees(federation, "datasets", private.id) == HOSPITAL | {"admin"}


def test_a_model_in_development_is_its_owners(federation: Federation) -> None:
    model = federation.model(federation.vera, "Draft", submit=False)
    assert _who_sees(federation, "models", model.id) == {"vendor", "admin"}
    assert _who_sees(federation, "models", federation.net.id) == EVERYBODY


def test_a_models_container_is_for_those_who_run_it(federation: Federation) -> None:
    container = federation.vera.client.models.get(federation.net.id).container_id
    assert _who_sees(federation, "containers", container) == HOSPITAL | {
        "vendor",
        "committee",
        "admin",
    }
    assert federation.olga.client.models.get(federation.net.id).container_id is None
    assert list(federation.olga.client.models.list(container_id=container)) == []


def test_a_hospital_sees_a_models_container_only_while_both_take_part(
    federation: Federation,
) -> None:
    container = federation.vera.client.models.get(federation.net.id).container_id
    federation.cara.client.associations.act(federation.dataset_association.id, "withdraw")
    assert not _sees(federation.hana, "containers", container)
    assert federation.hana.client.models.get(federation.net.id).container_id is None


def test_the_committee_sees_the_container_of_a_model_that_asks(federation: Federation) -> None:
    model = federation.model(federation.vera, "Second")
    container = federation.vera.client.models.get(model.id).container_id
    assert not _sees(federation.cara, "containers", container)
    federation.ask(federation.vera, federation.benchmark_record, model)
    assert _sees(federation.cara, "containers", container)
    assert not _sees(federation.hana, "containers", container)


def test_asking_for_a_model_does_not_show_its_container(federation: Federation) -> None:
    model = federation.model(federation.vera, "Wanted")
    container = federation.vera.client.models.get(model.id).container_id
    asked = federation.ask(federation.cara, federation.benchmark_record, model)
    assert not _sees(federation.cara, "containers", container)
    assert federation.cara.client.models.get(model.id).container_id is None
    federation.vera.client.associations.act(asked.id, "approve")
    assert _sees(federation.cara, "containers", container)


def test_everybody_may_run_the_reference_model(federation: Federation) -> None:
    reference = federation.cara.client.models.get(federation.benchmark_record.reference_model_id)
    assert _who_sees(federation, "containers", reference.container_id) == EVERYBODY


@pytest.mark.parametrize("role", ["preparator", "evaluator"])
def test_operational_preparators_and_evaluators_are_for_everybody(
    federation: Federation, role: str
) -> None:
    draft = federation.container(federation.cara, role, "Draft", submit=False)
    assert _who_sees(federation, "containers", draft.id) == {"committee", "admin"}
    federation.cara.client.containers.act(draft.id, "submit")
    assert _sees(federation.hana, "containers", draft.id)


def test_a_benchmark_is_for_everybody_once_approved(federation: Federation) -> None:
    draft = federation.benchmark(federation.cara, "Draft", approve=False)
    assert _who_sees(federation, "benchmarks", draft.id) == {"committee", "admin"}
    federation.cara.client.benchmarks.act(draft.id, "submit")
    assert not _sees(federation.hana, "benchmarks", draft.id)
    federation.admin.client.benchmarks.act(draft.id, "approve")
    assert _sees(federation.hana, "benchmarks", draft.id)


def test_those_who_took_part_still_see_a_withdrawn_benchmark(federation: Federation) -> None:
    number = federation.benchmark_record.id
    federation.cara.client.benchmarks.act(number, "withdraw")
    assert _who_sees(federation, "benchmarks", number) == EVERYBODY - {"outsider"}


def test_an_association_is_for_its_two_sides_and_admins(federation: Federation) -> None:
    assert _who_sees(federation, "associations", federation.model_association.id) == {
        "vendor",
        "committee",
        "admin",
    }


def test_an_invitation_is_for_its_organization_and_admins(federation: Federation) -> None:
    federation.site_token(federation.hospital, "South")
    [invitation] = federation.hana.client.invitations.list(state="open")
    assert _who_sees(federation, "invitations", invitation.id) == HOSPITAL | {"admin"}


def test_the_audit_is_for_admins_and_each_organizations_own_acts(federation: Federation) -> None:
    own = {event.actor for event in federation.vera.client.audit_events.list()}
    assert own == {f"user:{federation.vera.user.id}"}
    everybodys = {event.actor for event in federation.admin.client.audit_events.list()}
    assert everybodys > own


# --- results follow the release policy ---


def _federation_with(federation: Federation, **policy) -> tuple[Federation, int]:
    """Another benchmark with this policy, and a pending result in it."""
    federation.in_another_benchmark(**policy)
    return federation, federation.result().id


OWNERS = HOSPITAL | {"committee"}


def test_before_approval_a_result_is_the_hospitals_and_the_committees(
    federation: Federation,
) -> None:
    federation, result = _federation_with(federation, audience="public", moment="approved")
    assert _who_sees(federation, "results", result) == OWNERS


@pytest.mark.parametrize(
    ("audience", "seen_by"),
    [
        ("owners", OWNERS | {"vendor"}),
        ("participants", OWNERS | {"vendor"}),
        ("public", EVERYBODY),
    ],
)
def test_model_owners_see_results_of_their_models_as_far_as_the_policy_says(
    federation: Federation, audience: str, seen_by: set[str]
) -> None:
    federation, result = _federation_with(federation, audience=audience)
    federation.cara.client.results.act(result, "approve")
    assert _who_sees(federation, "results", result) == seen_by
    assert federation.vera.client.results.get(result).document is not None
    assert federation.vera.client.results.get(result).statement is not None


def test_participants_see_the_results_of_others(federation: Federation) -> None:
    federation, result = _federation_with(federation, audience="participants")
    federation.cara.client.results.act(result, "approve")
    wanda = federation.person(federation.organization("Second vendor"), "Wanda")
    assert not _sees(wanda, "results", result)
    model = federation.model(wanda, "Second")
    federation.associate(wanda, federation.cara, federation.benchmark_record, model)
    assert _sees(wanda, "results", result)


def test_when_submitted_a_result_is_seen_at_once(federation: Federation) -> None:
    federation, result = _federation_with(federation, moment="submitted")
    assert _who_sees(federation, "results", result) == OWNERS | {"vendor"}


def test_when_complete_a_result_waits_for_all_others(federation: Federation) -> None:
    federation, result = _federation_with(federation, moment="complete", audience="public")
    second = federation.model(federation.vera, "Second")
    federation.associate(federation.vera, federation.cara, federation.benchmark_record, second)
    federation.cara.client.results.act(result, "approve")
    assert not _sees(federation.vera, "results", result)
    board = federation.vera.client.benchmarks.leaderboard(federation.benchmark_record.id)
    assert "every model" in board.withheld_reason
    assert {row.n_results for row in board.rows} == {0}

    other = federation.run(federation.north, federation.benchmark_record, second, federation.cases)
    federation.cara.client.results.act(other.id, "approve")
    assert _sees(federation.vera, "results", result)

    federation.hana.client.results.act(other.id, "withdraw")
    assert not _sees(federation.vera, "results", result)


def test_pooled_figures_keep_the_document_from_others(federation: Federation) -> None:
    federation, result = _federation_with(federation, detail="pooled")
    federation.cara.client.results.act(result, "approve")
    seen = federation.vera.client.results.get(result)
    assert (seen.document, seen.statement) == (None, None)
    assert federation.hana.client.results.get(result).document is not None
    board = federation.vera.client.benchmarks.leaderboard(federation.benchmark_record.id)
    # Pooled with no other, a site's figure would be its own.
    assert board.rows[0].cells[0].value is None
    assert board.rows[0].cells[0].sites == ()
    own = federation.hana.client.benchmarks.leaderboard(federation.benchmark_record.id)
    assert own.rows[0].cells[0].value == 0.9


def test_pseudonymous_sites_are_named_to_the_committee_and_to_themselves(
    federation: Federation,
) -> None:
    federation, result = _federation_with(federation, audience="public", pseudonymous_sites=True)
    federation.cara.client.results.act(result, "approve")
    number = federation.benchmark_record.id

    def site(actor) -> str:
        [shown] = actor.client.benchmarks.leaderboard(number).rows[0].cells[0].sites
        return shown.site

    assert site(federation.cara) == site(federation.hana) == "North"
    assert site(federation.vera).startswith("site ")
    assert site(federation.vera) == site(federation.vera)
    assert not _sees(federation.vera, "results", result)
    assert list(federation.vera.client.executions.list(benchmark_id=number)) == []


def test_an_execution_is_for_the_hospital_the_committee_and_the_models_owner(
    federation: Federation,
) -> None:
    execution = federation.execution()
    assert _who_sees(federation, "executions", execution.id) == OWNERS | {"vendor"}


def test_a_list_holds_documents_but_no_statements(federation: Federation) -> None:
    federation.result()
    [result] = federation.cara.client.results.list()
    assert result.document is not None
    assert result.statement is None
    assert federation.cara.client.results.get(result.id).statement is not None


def test_a_leaderboard_of_an_owners_only_benchmark_shows_own_rows(federation: Federation) -> None:
    federation, result = _federation_with(federation, audience="owners")
    federation.cara.client.results.act(result, "approve")
    number = federation.benchmark_record.id
    wanda = federation.person(federation.organization("Second vendor"), "Wanda")
    board = wanda.client.benchmarks.leaderboard(number)
    assert (board.rows, board.withheld_reason) == (
        (),
        "only your own models and sites are shown to you",
    )
    assert len(federation.vera.client.benchmarks.leaderboard(number).rows) == 1
    assert len(federation.hana.client.benchmarks.leaderboard(number).rows) == 1


def test_a_grant_that_runs_out_shows_as_expired_to_all(
    federation: Federation, clock: SettableClock
) -> None:
    first = federation.execution()
    clock.advance(hours=25)
    federation.grant()
    for actor in (federation.hana, federation.cara, federation.vera):
        assert actor.client.executions.get(first.id).state == "expired"

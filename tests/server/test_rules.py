"""The rules of the federation, each by its name."""

import pytest
from server_fixtures import Federation, SettableClock, digest, typed_document

from medperf.domain.ai_models import ModelForm
from medperf.domain.associations import AssociationForm
from medperf.domain.errors import (
    ForbiddenError,
    GrantError,
    ImmutableError,
    MedPerfError,
    NotFoundError,
    NotOperationalError,
    OwnApprovalError,
    TransitionError,
)


def test_nobody_approves_the_association_they_asked_for(federation: Federation) -> None:
    model = federation.model(federation.vera, "Second")
    asked = federation.ask(federation.vera, federation.benchmark_record, model)
    with pytest.raises(OwnApprovalError):
        federation.vera.client.associations.act(asked.id, "approve")


def test_a_colleague_of_the_asking_side_cannot_approve(federation: Federation) -> None:
    model = federation.model(federation.vera, "Second")
    asked = federation.ask(federation.vera, federation.benchmark_record, model)
    victor = federation.person(federation.vendor, "Victor")
    with pytest.raises(OwnApprovalError):
        victor.client.associations.act(asked.id, "approve")


def test_an_admin_does_not_speak_for_either_side(federation: Federation) -> None:
    model = federation.model(federation.vera, "Second")
    asked = federation.ask(federation.vera, federation.benchmark_record, model)
    with pytest.raises(ForbiddenError):
        federation.admin.client.associations.act(asked.id, "approve")


def test_the_other_side_approves(federation: Federation) -> None:
    assert federation.model_association.state == "approved"
    assert federation.model_association.decided_by == f"user:{federation.cara.user.id}"


def test_a_site_decides_what_the_benchmark_asks_of_its_dataset(federation: Federation) -> None:
    cases = federation.dataset(federation.north, federation.benchmark_record, "More")
    own = federation.ask(federation.north, federation.benchmark_record, cases)
    federation.north.client.associations.act(own.id, "withdraw")
    # Known to the committee by the first request, so it can ask in turn.
    asked = federation.ask(federation.cara, federation.benchmark_record, cases)
    assert federation.north.client.associations.act(asked.id, "approve").state == "approved"


def test_within_one_organization_a_second_person_decides(federation: Federation) -> None:
    model = federation.model(federation.cara, "Own")
    asked = federation.ask(federation.cara, federation.benchmark_record, model)
    with pytest.raises(OwnApprovalError):
        federation.cara.client.associations.act(asked.id, "approve")
    assert federation.carl.client.associations.act(asked.id, "approve").state == "approved"


@pytest.mark.parametrize("who", ["vera", "hana", "north"])
def test_nobody_decides_a_result_of_their_own(federation: Federation, who: str) -> None:
    result = federation.result()
    with pytest.raises(MedPerfError) as caught:
        getattr(federation, who).client.results.act(result.id, "approve")
    # The vendor does not even see a result before it is approved.
    assert isinstance(caught.value, OwnApprovalError | NotFoundError)
    assert federation.cara.client.results.get(result.id).state == "pending"


def test_a_benchmark_owner_does_not_decide_the_result_of_their_own_model(
    federation: Federation,
) -> None:
    model = federation.model(federation.cara, "Own")
    federation.associate(federation.cara, federation.carl, federation.benchmark_record, model)
    result = federation.run(federation.north, federation.benchmark_record, model, federation.cases)
    for person in (federation.cara, federation.carl):
        with pytest.raises(OwnApprovalError):
            person.client.results.act(result.id, "approve")


@pytest.mark.parametrize("side", ["model_association", "dataset_association"])
def test_no_result_without_both_sides_approved_now(federation: Federation, side: str) -> None:
    answer = federation.grant()
    federation.cara.client.associations.act(getattr(federation, side).id, "withdraw")
    with pytest.raises(GrantError):
        federation.north.client.results.submit(federation.result_form(federation.north, answer))


@pytest.mark.parametrize("side", ["model_association", "dataset_association"])
def test_withdrawing_an_association_stops_further_executions(
    federation: Federation, side: str
) -> None:
    execution = federation.execution()
    federation.cara.client.associations.act(getattr(federation, side).id, "withdraw")
    work = federation.north.client.executions.work()
    assert (work.items, work.revoked) == ((), (execution.id,))
    assert federation.grant().problem.code == "not-operational"
    with pytest.raises(TransitionError):
        federation.north.client.executions.act(execution.id, "start")


@pytest.mark.parametrize("noun", ["model", "model container", "dataset", "evaluator"])
def test_withdrawing_what_an_execution_uses_revokes_it(federation: Federation, noun: str) -> None:
    execution = federation.execution()
    container_id = federation.vera.client.models.get(federation.net.id).container_id
    act = {
        "model": lambda: federation.vera.client.models.act(federation.net.id, "withdraw"),
        "model container": lambda: federation.vera.client.containers.act(container_id, "withdraw"),
        "dataset": lambda: federation.hana.client.datasets.act(federation.cases.id, "withdraw"),
        "evaluator": lambda: federation.cara.client.containers.act(
            federation.benchmark_record.evaluator_id, "withdraw"
        ),
    }[noun]
    act()
    assert federation.hana.client.executions.get(execution.id).state == "revoked"
    assert federation.grant().problem.code == "not-operational"


def test_one_result_per_grant(federation: Federation) -> None:
    answer = federation.grant()
    federation.north.client.results.submit(federation.result_form(federation.north, answer))
    again = federation.result_form(federation.north, answer, typed_document(0.99))
    with pytest.raises(GrantError, match="completed"):
        federation.north.client.results.submit(again)
    assert len(list(federation.cara.client.results.list())) == 1


def test_a_late_result_is_refused(federation: Federation, clock: SettableClock) -> None:
    answer = federation.grant()
    clock.advance(hours=25)
    with pytest.raises(GrantError, match="expired"):
        federation.north.client.results.submit(federation.result_form(federation.north, answer))


def test_after_expiry_the_pair_is_work_again(federation: Federation, clock: SettableClock) -> None:
    first = federation.execution()
    clock.advance(hours=25)
    assert len(federation.north.client.executions.work().items) == 1
    assert federation.execution().id != first.id
    assert federation.hana.client.executions.get(first.id).state == "expired"


def test_a_model_cannot_take_over_another_organizations_container(federation: Federation) -> None:
    """A container that the other can see, as the committee sees the vendor's."""
    container_id = federation.vera.client.models.get(federation.net.id).container_id
    assert federation.cara.client.containers.get(container_id).name == "Net container"
    with pytest.raises(ForbiddenError):
        federation.cara.client.models.register(ModelForm(name="Mine", container_id=container_id))


def test_a_model_cannot_name_a_container_that_its_owner_cannot_see(federation: Federation) -> None:
    container = federation.container(federation.vera, "model", "Secret")
    with pytest.raises(NotFoundError):
        federation.hana.client.models.register(ModelForm(name="Mine", container_id=container.id))


def test_a_model_cannot_be_edited_to_take_over_a_container(federation: Federation) -> None:
    theirs = federation.vera.client.models.get(federation.net.id).container_id
    mine = federation.model(federation.cara, "Mine", submit=False)
    with pytest.raises(ForbiddenError):
        federation.cara.client.models.edit(mine.id, container_id=theirs)


def test_somebody_elses_container_cannot_be_edited(federation: Federation) -> None:
    container_id = federation.vera.client.models.get(federation.net.id).container_id
    with pytest.raises(ForbiddenError):
        federation.cara.client.containers.edit(container_id, image_digest=digest("other"))


def test_an_operational_container_does_not_change(federation: Federation) -> None:
    container_id = federation.vera.client.models.get(federation.net.id).container_id
    with pytest.raises(ImmutableError):
        federation.vera.client.containers.edit(container_id, image_digest=digest("other"))


@pytest.mark.parametrize("action", ["deactivate", "withdraw"])
def test_a_stopped_benchmark_accepts_nothing(federation: Federation, action: str) -> None:
    pending = federation.result()
    more = federation.dataset(federation.north, federation.benchmark_record, "More")
    other = federation.model(federation.vera, "Other")
    federation.associate(federation.vera, federation.cara, federation.benchmark_record, other)
    open_grant = federation.request_grant(
        federation.north, federation.benchmark_record, other, federation.cases
    )
    federation.cara.client.benchmarks.act(federation.benchmark_record.id, action)

    with pytest.raises(NotOperationalError):
        federation.ask(federation.north, federation.benchmark_record, more)
    assert federation.grant().problem.code == "not-operational"
    with pytest.raises(GrantError):
        federation.north.client.results.submit(federation.result_form(federation.north, open_grant))
    with pytest.raises(NotOperationalError):
        federation.cara.client.results.act(pending.id, "approve")
    assert federation.north.client.executions.work().items == ()


def test_a_stopped_benchmark_approves_no_association(federation: Federation) -> None:
    model = federation.model(federation.vera, "Second")
    asked = federation.ask(federation.vera, federation.benchmark_record, model)
    federation.cara.client.benchmarks.act(federation.benchmark_record.id, "deactivate")
    with pytest.raises(NotOperationalError):
        federation.cara.client.associations.act(asked.id, "approve")


def test_only_an_admin_approves_a_benchmark(federation: Federation) -> None:
    benchmark = federation.benchmark(federation.cara, "Another", approve=False)
    federation.cara.client.benchmarks.act(benchmark.id, "submit")
    with pytest.raises(ForbiddenError):
        federation.cara.client.benchmarks.act(benchmark.id, "approve")


def test_an_admin_registers_nothing_for_others(federation: Federation) -> None:
    form = AssociationForm(
        benchmark_id=federation.benchmark_record.id, kind="model", model_id=federation.net.id
    )
    with pytest.raises(ForbiddenError):
        federation.admin.client.associations.register(form)

"""Registering, versions, editing and the acts of each lifecycle."""

import pytest
from server_fixtures import Federation, container_config, digest

from medperf.domain import lifecycle
from medperf.domain.ai_models import ModelForm
from medperf.domain.associations import AssociationForm
from medperf.domain.container_records import ContainerForm, FileReference
from medperf.domain.errors import (
    ContainerConfigError,
    DuplicateError,
    ForbiddenError,
    ImmutableError,
    InvalidRequestError,
    NotFoundError,
    NotOperationalError,
    SignatureError,
    TransitionError,
)
from medperf.provenance.canonical import digest_of


def _form(name: str = "C", **more) -> ContainerForm:
    values = {
        "name": name,
        "role": "model",
        "config": container_config("model"),
        "image_digest": digest(name),
    }
    return ContainerForm(**{**values, **more})


# --- containers ---


def test_a_containers_digest_covers_all_that_can_change_a_result(federation: Federation) -> None:
    client = federation.vera.client.containers
    files = FileReference(url="https://files.example/weights.tar", digest=digest("weights"))
    variants = [
        client.register(_form("A")),
        client.register(_form("B", image_digest=digest("A"), parameters={})),
        client.register(_form("C", image_digest=digest("A"), parameters={"depth": 2})),
        client.register(_form("D", image_digest=digest("A"), additional_files=files)),
        client.register(_form("E", image_digest=digest("E"))),
    ]
    assert len({variant.digest for variant in variants}) == 5
    same = client.register(_form("F", image_digest=digest("A")))
    assert same.digest == variants[0].digest
    assert variants[2].parameters_digest == digest_of({"depth": 2})
    assert variants[0].parameters_digest is None


def test_a_config_that_breaks_the_contract_is_refused_with_its_faults(
    federation: Federation,
) -> None:
    config = container_config("model")
    config["tasks"]["infer"]["output_volumes"]["output_path"]["mount_path"] = "relative"
    with pytest.raises(ContainerConfigError, match="relative") as caught:
        federation.vera.client.containers.register(_form(config=config))
    assert caught.value.context["faults"]
    with pytest.raises(ContainerConfigError):
        federation.vera.client.containers.register(_form(config={"image": "x"}))
    with pytest.raises(ContainerConfigError):
        federation.vera.client.containers.register(_form(role="evaluator"))


def test_a_container_in_development_can_be_edited(federation: Federation) -> None:
    client = federation.vera.client.containers
    before = client.register(_form())
    after = client.edit(before.id, parameters={"depth": 2}, name="Better")
    assert (after.name, after.parameters) == ("Better", {"depth": 2})
    assert after.digest != before.digest
    for changes in ({"color": "red"}, {"role": "evaluator"}, {"name": ""}, {"image_digest": "x"}):
        with pytest.raises(InvalidRequestError):
            client.edit(before.id, **changes)


def test_a_site_registers_no_container(federation: Federation) -> None:
    with pytest.raises(ForbiddenError):
        federation.north.client.containers.register(_form())


# --- versions ---


def test_a_new_version_supersedes_the_old(federation: Federation) -> None:
    client = federation.vera.client.containers
    first = client.register(_form())
    second = client.register(_form(supersedes_id=first.id))
    assert (first.version, second.version, second.supersedes_id) == (1, 2, first.id)


def test_a_name_is_taken_once(federation: Federation) -> None:
    client = federation.vera.client.containers
    first = client.register(_form())
    with pytest.raises(DuplicateError) as caught:
        client.register(_form())
    assert f"supersedes container {first.id}" in caught.value.advice
    assert federation.cara.client.containers.register(_form()).name == first.name


def test_a_thing_has_one_successor(federation: Federation) -> None:
    client = federation.vera.client.containers
    first = client.register(_form())
    client.register(_form(supersedes_id=first.id))
    with pytest.raises(DuplicateError, match="superseded"):
        client.register(_form("Other", supersedes_id=first.id))


def test_nobody_supersedes_what_is_not_theirs(federation: Federation) -> None:
    evaluator = federation.benchmark_record.evaluator_id
    with pytest.raises(ForbiddenError):
        federation.vera.client.containers.register(
            _form(role="evaluator", config=container_config("evaluator"), supersedes_id=evaluator)
        )
    with pytest.raises(NotFoundError):
        federation.vera.client.containers.register(_form(supersedes_id=999))


# --- lifecycles ---


@pytest.mark.parametrize("noun", ["containers", "models", "datasets", "benchmarks"])
def test_only_the_owners_organization_acts(federation: Federation, noun: str) -> None:
    numbers = {
        "containers": federation.benchmark_record.evaluator_id,
        "models": federation.net.id,
        "datasets": federation.cases.id,
        "benchmarks": federation.benchmark_record.id,
    }
    for actor in (federation.cara, federation.vera, federation.hana, federation.olga):
        shelf = getattr(actor.client, noun)
        try:
            thing = shelf.get(numbers[noun])
        except NotFoundError:
            with pytest.raises(NotFoundError):
                shelf.act(numbers[noun], "withdraw")
            continue
        if thing.organization_id != actor.user.organization_id:
            with pytest.raises(ForbiddenError):
                shelf.act(numbers[noun], "withdraw")


def test_a_state_that_does_not_allow_an_act_says_what_it_allows(federation: Federation) -> None:
    with pytest.raises(TransitionError, match="withdraw") as caught:
        federation.vera.client.models.act(federation.net.id, "submit")
    assert caught.value.context == {"noun": "model", "state": "operation", "action": "submit"}


@pytest.mark.parametrize(
    "table",
    [t for t in lifecycle.ALL if t.noun not in {"preparation", "job"}],
    ids=lambda t: t.noun,
)
def test_every_act_of_every_table_has_a_route(
    federation: Federation, http, table: lifecycle.Lifecycle
) -> None:
    headers = {"Authorization": f"Bearer {federation.admin.secret}"}
    for action in table.actions:
        if (table.noun, action) in {("invitation", "redeem"), ("execution", "complete")}:
            continue  # has a route and a form of its own; happens by a result
        answer = http.post(f"/api/v1/{table.noun}s/1/{action}", headers=headers)
        assert answer.status_code != 405, (action, answer.text)
        assert answer.json().get("detail", "").startswith("this server has no") is False


def test_a_model_needs_an_operational_container(federation: Federation) -> None:
    model = federation.model(federation.vera, "Draft", submit=False)
    with pytest.raises(NotOperationalError):
        federation.vera.client.models.act(model.id, "submit")


def test_a_model_needs_a_models_container(federation: Federation) -> None:
    with pytest.raises(InvalidRequestError):
        federation.cara.client.models.register(
            ModelForm(name="M", container_id=federation.benchmark_record.evaluator_id)
        )


def test_a_model_in_development_can_be_edited(federation: Federation) -> None:
    model = federation.model(federation.vera, "Draft", submit=False)
    assert federation.vera.client.models.edit(model.id, description="ours").description == "ours"
    with pytest.raises(ImmutableError):
        federation.vera.client.models.edit(federation.net.id, description="ours")


# --- benchmarks ---


def test_a_benchmark_needs_operational_parts_to_be_submitted(federation: Federation) -> None:
    evaluator = federation.container(federation.cara, "evaluator", "Draft", submit=False)
    benchmark = federation.benchmark(
        federation.cara, "Draft", approve=False, evaluator_id=evaluator.id
    )
    with pytest.raises(NotOperationalError, match="evaluator"):
        federation.cara.client.benchmarks.act(benchmark.id, "submit")


def test_a_benchmarks_digest_follows_its_parts_until_it_is_submitted(
    federation: Federation,
) -> None:
    evaluator = federation.container(federation.cara, "evaluator", "Draft", submit=False)
    benchmark = federation.benchmark(
        federation.cara, "Draft", approve=False, evaluator_id=evaluator.id
    )
    federation.cara.client.containers.edit(evaluator.id, parameters={"threshold": 0.5})
    federation.cara.client.containers.act(evaluator.id, "submit")
    submitted = federation.cara.client.benchmarks.act(benchmark.id, "submit")
    assert submitted.digest != benchmark.digest


def test_each_part_of_a_benchmark_has_its_role(federation: Federation) -> None:
    first = federation.benchmark_record
    with pytest.raises(InvalidRequestError, match="evaluator"):
        federation.benchmark(
            federation.cara, "Wrong", approve=False, preparator_id=first.evaluator_id,
            evaluator_id=first.evaluator_id, reference_model_id=first.reference_model_id,
        )  # fmt: skip


def test_the_reference_model_is_the_committees_own(federation: Federation) -> None:
    first = federation.benchmark_record
    with pytest.raises(ForbiddenError):
        federation.benchmark(
            federation.cara, "Theirs", approve=False, preparator_id=first.preparator_id,
            evaluator_id=first.evaluator_id, reference_model_id=federation.net.id,
        )  # fmt: skip


def test_a_benchmark_in_development_can_be_edited(federation: Federation) -> None:
    draft = federation.benchmark(federation.cara, "Draft", approve=False)
    edited = federation.cara.client.benchmarks.edit(
        draft.id, release_policy={"audience": "public"}, clinical_task="detect masses"
    )
    assert edited.release_policy.audience == "public"
    assert edited.digest != draft.digest
    with pytest.raises(ImmutableError):
        federation.cara.client.benchmarks.edit(federation.benchmark_record.id, description="x")
    with pytest.raises(ForbiddenError):
        federation.hana.client.benchmarks.edit(federation.benchmark_record.id, description="x")


def test_a_benchmark_comes_back_when_it_is_activated_again(federation: Federation) -> None:
    number = federation.benchmark_record.id
    federation.cara.client.benchmarks.act(number, "deactivate")
    before = federation.north.client.executions.work()
    federation.cara.client.benchmarks.act(number, "activate")
    after = federation.north.client.executions.work()
    assert (before.items, len(after.items)) == ((), 1)
    assert after.version > before.version


# --- datasets ---


def _preparator(federation: Federation):
    return federation.north.client.containers.get(federation.benchmark_record.preparator_id)


def test_a_person_registers_what_their_site_signed(federation: Federation) -> None:
    form = federation.dataset_form(federation.north, _preparator(federation), "More")
    registered = federation.hana.client.datasets.register(form)
    assert registered.site_id == federation.north.record.id


def test_nobody_registers_what_another_site_signed(federation: Federation) -> None:
    form = federation.dataset_form(federation.north, _preparator(federation), "More")
    with pytest.raises(ForbiddenError):
        federation.vera.client.datasets.register(form)
    south = federation.site(federation.hospital, "South")
    with pytest.raises(NotFoundError):
        south.client.datasets.register(form)


@pytest.mark.parametrize(
    "changed", [{"fingerprint": "blake3:" + "0" * 64}, {"statistics": {"n_cases": 21}}]
)
def test_a_form_says_what_the_site_signed(federation: Federation, changed: dict) -> None:
    form = federation.dataset_form(federation.north, _preparator(federation), "More", **changed)
    with pytest.raises(InvalidRequestError, match=next(iter(changed))):
        federation.north.client.datasets.register(form)


def test_a_dataset_is_signed_by_its_site(federation: Federation) -> None:
    south = federation.site(federation.hospital, "South")
    south.record = federation.north.record  # says it is north, signs with another key
    form = federation.dataset_form(south, _preparator(federation), "More")
    with pytest.raises(SignatureError):
        federation.hana.client.datasets.register(form)


def test_the_same_cases_are_registered_once(federation: Federation) -> None:
    form = federation.dataset_form(federation.north, _preparator(federation), "Cases")
    with pytest.raises(DuplicateError):
        federation.north.client.datasets.register(form)
    with pytest.raises(DuplicateError):
        federation.north.client.datasets.register(form.model_copy(update={"name": "Renamed"}))
    federation.north.client.datasets.act(federation.cases.id, "withdraw")
    renamed = form.model_copy(update={"name": "Renamed"})
    assert federation.north.client.datasets.register(renamed).state == "development"


def test_a_dataset_is_prepared_by_a_preparator(federation: Federation) -> None:
    evaluator = federation.cara.client.containers.get(federation.benchmark_record.evaluator_id)
    form = federation.dataset_form(federation.north, evaluator, "More")
    with pytest.raises(InvalidRequestError):
        federation.north.client.datasets.register(form)


def test_of_a_dataset_only_the_words_can_be_edited(federation: Federation) -> None:
    draft = federation.dataset(federation.north, federation.benchmark_record, "More", submit=False)
    client = federation.hana.client.datasets
    assert client.edit(draft.id, description="old scans").description == "old scans"
    with pytest.raises(InvalidRequestError):
        client.edit(draft.id, n_cases=21)
    with pytest.raises(ForbiddenError):
        federation.site(federation.hospital, "South").client.datasets.edit(draft.id, name="Mine")


# --- associations ---


def test_an_association_is_asked_for_once(federation: Federation) -> None:
    with pytest.raises(DuplicateError):
        federation.ask(federation.vera, federation.benchmark_record, federation.net)
    federation.vera.client.associations.act(federation.model_association.id, "withdraw")
    asked = federation.ask(federation.vera, federation.benchmark_record, federation.net)
    assert asked.state == "pending"


def test_a_stranger_asks_for_nothing(federation: Federation) -> None:
    model = federation.model(federation.vera, "Second")
    with pytest.raises(ForbiddenError):
        federation.ask(federation.olga, federation.benchmark_record, model)
    south = federation.site(federation.hospital, "South")
    more = federation.dataset(federation.north, federation.benchmark_record, "More")
    with pytest.raises(ForbiddenError):
        federation.ask(south, federation.benchmark_record, more)


def test_a_dataset_of_another_preparator_does_not_fit(federation: Federation) -> None:
    other = federation.container(federation.cara, "preparator", "Other")
    form = federation.dataset_form(federation.north, other, "More")
    dataset = federation.north.client.datasets.register(form)
    federation.north.client.datasets.act(dataset.id, "submit")
    with pytest.raises(InvalidRequestError, match="preparator"):
        federation.ask(federation.north, federation.benchmark_record, dataset)


def test_what_is_in_development_does_not_take_part(federation: Federation) -> None:
    draft = federation.dataset(federation.north, federation.benchmark_record, "More", submit=False)
    with pytest.raises(NotOperationalError):
        federation.ask(federation.north, federation.benchmark_record, draft)


def test_a_model_withdrawn_meanwhile_is_not_approved(federation: Federation) -> None:
    model = federation.model(federation.vera, "Second")
    asked = federation.ask(federation.vera, federation.benchmark_record, model)
    federation.vera.client.models.act(model.id, "withdraw")
    with pytest.raises(NotOperationalError):
        federation.cara.client.associations.act(asked.id, "approve")


def test_a_compatibility_outcome_holds_plain_values_only(federation: Federation) -> None:
    model = federation.model(federation.vera, "Second")
    form = AssociationForm(
        benchmark_id=federation.benchmark_record.id,
        kind="model",
        model_id=model.id,
        compatibility={"note": "x" * 500},
    )
    with pytest.raises(InvalidRequestError, match="compatibility"):
        federation.vera.client.associations.register(form)

"""``medperf model``: the AI that is evaluated."""

import click

from medperf.cli import listing
from medperf.cli.association import ask_to_take_part
from medperf.cli.command import Noun
from medperf.cli.connection import client, find_number
from medperf.cli.output import show_done
from medperf.cli.tables import Column
from medperf.domain.lifecycle import MODEL

DESCRIBED = listing.Description(
    noun="model",
    path="models",
    columns=(
        Column("id", "id"),
        Column("name", "name"),
        Column("version", "version"),
        Column("state", "state"),
        Column("container", "container_id"),
        Column("organization", "organization_id"),
        Column("registered", "created_at"),
    ),
    filters=(
        listing.state_filter(MODEL),
        listing.NAME,
        listing.ORGANIZATION,
        listing.BENCHMARK,
        listing.Filter(
            "container", "container_id", "Only those of this container.", names="containers"
        ),
        listing.MINE,
    ),
    empty="No models yet. Next: medperf model register --name NAME --container NUMBER",
)


@click.group(cls=Noun)
def command() -> None:
    """AI models: what is evaluated."""


listing.add_ls(command, DESCRIBED, "medperf model ls --mine\nmedperf model ls --benchmark 1 --json")
listing.add_show(command, DESCRIBED, "medperf model show 3")


@command.command(
    example='medperf model register --name "logistic regression" --container "lr container"'
)
@click.option("--name", required=True, help="The model's name.")
@click.option("--container", required=True, metavar="NUMBER|NAME", help="What runs it.")
@click.option("--description", default="", help="What a reader should know of it.")
@click.option("--supersedes", metavar="NUMBER|NAME", help="The model this is a new version of.")
def register(name: str, container: str, description: str, supersedes: str | None) -> None:
    """Register a model of yours; it starts in development."""
    from medperf.domain.ai_models import ModelForm

    with client() as server:
        model = server.models.register(
            ModelForm(
                name=name,
                container_id=find_number(server.transport, "containers", container),
                description=description,
                supersedes_id=find_number(server.transport, "models", supersedes)
                if supersedes
                else None,
            )
        )
    show_done(
        f"model {model.id} is registered ({model.state}).",
        model.model_dump(mode="json"),
        f"medperf model submit {model.id}",
    )


listing.add_acts(
    command,
    DESCRIBED,
    [
        listing.Act(
            "submit",
            "Make a model operational; it does not change any more.",
            then="medperf model associate MODEL --benchmark BENCHMARK",
        ),
        listing.Act("withdraw", "Take a model back.", final="Its running executions are revoked."),
    ],
)


@command.command(example="medperf model associate 3 --benchmark 1")
@click.argument("reference", metavar="NUMBER|NAME")
@click.option("--benchmark", required=True, metavar="NUMBER|NAME", help="Which to take part in.")
@click.option("--compatibility", metavar="FILE", help="Outcome of 'compatibility-test --json'.")
@click.option("--priority", default=0, type=click.IntRange(-100, 100), help="Higher runs earlier.")
def associate(reference: str, benchmark: str, compatibility: str | None, priority: int) -> None:
    """Ask that a model takes part in a benchmark."""
    ask_to_take_part("model", reference, benchmark, compatibility, priority)

"""``medperf completion``: completion for a shell."""

import click
from click.shell_completion import get_completion_class

from medperf.cli.command import Verb, wants_json
from medperf.cli.output import write, write_json


@click.command(
    cls=Verb,
    example="""
    medperf completion bash >> ~/.bashrc
    medperf completion zsh >> ~/.zshrc
    medperf completion fish > ~/.config/fish/completions/medperf.fish
    """,
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script that completes medperf's commands in your shell."""
    from medperf.cli.main import root

    chosen = get_completion_class(shell)
    assert chosen is not None  # noqa: S101 - the choices above are click's own
    script = chosen(root, {}, "medperf", "_MEDPERF_COMPLETE").source()
    if wants_json():
        write_json({"shell": shell, "script": script})
    else:
        write(script)

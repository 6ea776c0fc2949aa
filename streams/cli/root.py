"""The root command group, its exit codes, and how errors are reported."""

from __future__ import annotations

import importlib
import logging
from enum import IntEnum
from typing import Any, Final, cast

import click

from schemas.errors import InvalidSettings, KafkaUnavailable, ShelfwiseError
from workers.printable import plain

# Maps each command to its module and its text in the list of commands. The text is here so that listing the
# commands does not import their modules.
_COMMANDS: Final = {
    "demo": ("demo", "Run everything once: Kafka, a sample catalogue, a worker, a feed, live decisions."),
    "fit": ("fit", "Make a model bundle from labelled products and a category tree."),
    "training-data": ("training_data", "Turn reviewers' verdicts into labelled products for the next fit."),
    "evaluate": ("evaluate", "Measure how good a model bundle is on labelled products; JSON, or an HTML report."),
    "gate": ("gate", "Accept or reject a model bundle, beside the current one."),
    "classify": ("classify", "Classify one product or a file, without Kafka."),
    "worker": ("worker", "Run the stream: intake, recall, ranking, learning."),
    "publish": ("publish", "Feed a file of products to the stream."),
    "watch": ("watch", "Follow decisions and dead letters as they come."),
    "review": ("review", "Decide products that the model left to a person."),
    "dead-letters": ("dead_letters", "List dead letters, or send them again."),
    "replay": ("replay", "Decide past events again, alongside live traffic."),
    "topics": ("topics", "Create the topics."),
    "kafka": ("kafka", "Run a local Kafka until Ctrl-C."),
    "taxonomy": ("taxonomy", "Check a category tree."),
    "encoder": ("encoder", "Fetch or convert a sentence encoder."),
    "sample": ("sample", "Write the sample catalogue and its category tree."),
}


class ExitCode(IntEnum):
    """The exit status; scripts rely on it."""

    OK = 0
    FAILED = 1
    """The job failed, or the answer is no."""
    USAGE = 2
    """The command, an option or a setting is wrong."""
    KAFKA = 3
    """No Kafka could be reached or started."""
    INTERRUPTED = 130
    """Ctrl-C."""


_EPILOG: Final = """\b
Exit status: 0 success; 1 the job failed, or the answer is no; 2 a command, option or setting is wrong;
3 Kafka could not be reached or started; 130 interrupted.

\b
Settings are environment variables, SHELFWISE_*, such as
SHELFWISE_KAFKA__BOOTSTRAP_SERVERS=localhost:9092.
"""


class _Root(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"streams.cli.{_COMMANDS[cmd_name][0]}")
        return cast("click.Command", module.command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ShelfwiseError as error:
            if ctx.params["debug"]:
                raise
            _tell(error)
            ctx.exit(_exit_code(error))
        except OSError as error:  # such as a file that cannot be written, or a full disk behind standard output
            if ctx.params["debug"] or isinstance(error, BrokenPipeError) or error.errno is None:
                raise
            _tell(error)
            ctx.exit(ExitCode.FAILED)
        except (KeyboardInterrupt, click.Abort):
            click.echo(err=True)
            ctx.exit(ExitCode.INTERRUPTED)


def _tell(error: Exception) -> None:
    # Errors quote text that others wrote, such as labels, ids and file names.
    text = "\n".join(map(plain, str(error).split("\n")))
    click.echo(f"{click.style('error:', fg='red', bold=True)} {text}", err=True)


def _exit_code(error: ShelfwiseError) -> ExitCode:
    if isinstance(error, KafkaUnavailable):
        return ExitCode.KAFKA
    return ExitCode.USAGE if isinstance(error, InvalidSettings) else ExitCode.FAILED


def _version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"shelfwise {version('shelfwise')}")
        ctx.exit()


@click.group(cls=_Root, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Log in detail, and show the traceback of an error.")
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version."
)
def main(debug: bool) -> None:
    """Assign every product of a catalogue to a category of a tree, continuously as the catalogue changes.

    \b
    Examples:
      shelfwise demo
      shelfwise fit --products products.jsonl --taxonomy tree.txt --out var/bundle
      shelfwise classify --bundle var/bundle --title "Desk lamp, black" --brand Lumo
      shelfwise worker
      shelfwise publish products.jsonl --rate 100
    """
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )

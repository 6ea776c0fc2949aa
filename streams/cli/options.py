"""Options shared by several commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from streams.settings import Settings
    from workers.product_files import ProductFile

Command = TypeVar("Command", bound=Callable[..., Any])

FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
DIRECTORY: Final = click.Path(file_okay=False, path_type=Path)


def kafka_options(command: Command) -> Command:
    """Add the options that select the Kafka cluster; pass their values to :func:`load_settings`."""
    return click.option(
        "--bootstrap-servers",
        metavar="HOST:PORT",
        help="The Kafka to use, in place of SHELFWISE_KAFKA__BOOTSTRAP_SERVERS.",
    )(command)


def product_options(command: Command) -> Command:
    """Add the options for reading a product file; pass their values to :func:`product_file`."""
    for option in (
        click.option(
            "--skip-invalid",
            is_flag=True,
            help="Skip and count rows that cannot be read, instead of failing.",
        ),
        click.option(
            "--format",
            "form",
            type=click.Choice(["jsonl", "csv", "tsv", "parquet"]),
            help="The file's format, if its name does not show it.",
        ),
        click.option(
            "--column",
            "columns",
            metavar="FIELD=COLUMN",
            multiple=True,
            help="Read FIELD from COLUMN of the file, such as title='Product Name'. Without a column, as in"
            " category_id=, the field is not read. Repeatable.",
        ),
    ):
        command = option(command)
    return command


def label_option(command: Command) -> Command:
    """Add the option for reading labels; pass its value to :func:`product_file`."""
    return click.option(
        "--path-separator",
        metavar="TEXT",
        callback=_some_text,
        help="The separator between the names of a category_path given as text, such as ' / '. Default: > or |.",
    )(command)


def taxonomy_options(format_option: str, separator_option: str) -> Callable[[Command], Command]:
    """Return a decorator that adds the options for reading a taxonomy file."""

    def add(command: Command) -> Command:
        command = click.option(
            separator_option,
            "separator",
            default=" > ",
            show_default=True,
            callback=_some_text,
            help="The separator between the names of a path in the taxonomy file.",
        )(command)
        return click.option(
            format_option,
            "taxonomy_form",
            type=click.Choice(["google", "shopify", "paths", "delimited"]),
            help="The taxonomy file's format, if it is not detected correctly from the content.",
        )(command)

    return add


def _some_text(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value == "":
        raise click.BadParameter("it is empty; give the separator between names")
    return value


def are_one_file(one: Path, other: Path) -> bool:
    """Return whether both paths name the same existing file."""
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist
        return False


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn errors about the value of an option into usage errors, with their exit code."""
    from schemas.errors import ShelfwiseError

    try:
        yield
    except ShelfwiseError as error:
        raise click.UsageError(str(error)) from None


json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


def load_settings(bootstrap_servers: str | None = None, **changes: Any) -> Settings:
    """Return the settings from the environment, with the changes from the command line.

    Raises :class:`schemas.errors.InvalidSettings`.
    """
    from streams.settings import Settings

    settings = Settings.load()
    if bootstrap_servers:
        changes["kafka"] = settings.kafka.model_copy(update={"bootstrap_servers": bootstrap_servers})
    return settings.model_copy(update={name: value for name, value in changes.items() if value is not None})


def product_file(
    path: Path,
    columns: tuple[str, ...],
    form: str | None,
    *,
    skip_invalid: bool,
    path_separator: str | None = None,
) -> ProductFile:
    """Open a product file as the options say; ``-`` is standard input, as JSON lines."""
    from typing import cast

    from workers.product_files import ColumnMap, ProductFile
    from workers.product_files.file import Format

    with usage_errors():
        mapped = ColumnMap.parse(columns)
    return ProductFile(
        click.get_binary_stream("stdin") if str(path) == "-" else path,
        columns=mapped,
        format=cast("Format | None", form),
        on_error="skip" if skip_invalid else "raise",
        path_separator=path_separator,
    )

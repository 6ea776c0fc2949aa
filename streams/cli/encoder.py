"""``shelfwise encoder``: fetch or convert a sentence encoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import DIRECTORY
from streams.cli.output import steps_progress

if TYPE_CHECKING:
    from workers.encoders.onnx import OnnxEncoder

_MAX_TOKENS = click.option(
    "--max-tokens",
    type=click.IntRange(8, 512),
    default=128,
    show_default=True,
    help="Longer texts are cut; special tokens count.",
)
_PREFIX = click.option("--prefix", default="", help="Goes before each text, such as 'query: ' for E5.")


@click.group("encoder")
def command() -> None:
    """Fetch or convert a sentence encoder, for `shelfwise fit --encoder DIR`.

    \b
    Examples:
      shelfwise encoder fetch sentence-transformers/all-MiniLM-L6-v2
      shelfwise encoder convert ~/models/minilm --out var/encoders/minilm
    """


@command.command("fetch")
@click.argument("name")
@click.option("--out", type=DIRECTORY, help="Default: var/encoders and the last part of NAME.")
@click.option("--revision", default="main", show_default=True, help="A branch, tag or commit.")
@_MAX_TOKENS
@_PREFIX
def fetch(name: str, out: Path | None, revision: str, max_tokens: int, prefix: str) -> None:
    """Get the encoder NAME (owner/model) from the model hub, as ONNX.

    It needs the extra `encoders`. HF_ENDPOINT names another hub.

    \b
    Examples:
      shelfwise encoder fetch sentence-transformers/all-MiniLM-L6-v2
      shelfwise encoder fetch intfloat/e5-small-v2 --prefix "query: "
    """
    from workers.encoders.fetch import fetch as fetch_encoder

    out = out or Path("var/encoders") / name.rpartition("/")[2]
    with steps_progress() as progress:
        encoder = fetch_encoder(
            name, out, revision=revision, max_tokens=max_tokens, prefix=prefix, progress=progress
        )
    _tell(encoder, out)


@command.command("convert")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=DIRECTORY, required=True)
@click.option("--name", help="Shown in manifests and logs; default: the directory's name.")
@_MAX_TOKENS
@_PREFIX
def convert(directory: Path, out: Path, name: str | None, max_tokens: int, prefix: str) -> None:
    """Make an ONNX encoder from a sentence-transformers DIRECTORY with safetensors (BERT-shaped models).

    \b
    Examples:
      shelfwise encoder convert ~/models/minilm --out var/encoders/minilm
    """
    from workers.encoders.convert import convert as convert_encoder

    with steps_progress() as progress:
        encoder = convert_encoder(
            directory, out, name=name, max_tokens=max_tokens, prefix=prefix, progress=progress
        )
    _tell(encoder, out)


def _tell(encoder: OnnxEncoder, out: Path) -> None:
    click.echo(
        f"{encoder.name}, {encoder.dimensions} dimensions, is in {out}; next: shelfwise fit --encoder {out}"
    )

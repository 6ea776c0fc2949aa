"""``shelfwise worker``: run the stream."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from streams.cli.options import DIRECTORY, kafka_options, load_settings
from streams.cli.waiting import sigterm_interrupts

if TYPE_CHECKING:
    from streams.faust_app import Stage


@click.command("worker")
@click.option(
    "--only",
    "stages",
    type=click.Choice(["intake", "recall", "ranking", "learning"]),
    multiple=True,
    help="Run only this stage. Repeatable; default: all stages.",
)
@click.option("--bundle", type=DIRECTORY, help="The model, in place of SHELFWISE_BUNDLE (var/bundle).")
@click.option(
    "--force-rejected",
    "force_rejected_bundle",
    metavar="WHY",
    help="Load a bundle although the gate rejected it, and record the reason WHY in it.",
)
@click.option("--data-dir", type=DIRECTORY, help="Where tables are kept, in place of SHELFWISE_DATA_DIR.")
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    help="Port of /metrics, /healthz and /readyz, in place of SHELFWISE_METRICS_PORT; 0 takes a free port.",
)
@kafka_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    stages: tuple[str, ...],
    bundle: Path | None,
    force_rejected_bundle: str | None,
    data_dir: Path | None,
    metrics_port: int | None,
    bootstrap_servers: str | None,
) -> None:
    """Run the stream until SIGTERM or Ctrl-C; work in flight is finished before it stops.

    Each stage scales separately, to at most as many workers as the topics have partitions. Learning runs in a
    separate process if the worker also runs other stages.

    \b
    Examples:
      shelfwise worker
      shelfwise worker --only recall --only ranking --metrics-port 9465
      SHELFWISE_BUNDLE=/models/today shelfwise worker
    """
    from typing import cast

    # The first process of a container hears SIGTERM only if it handles it; stages handle it once they start.
    with sigterm_interrupts():
        from streams.clients.connect import require_address
        from streams.logs import configure_logging
        from streams.worker import run_worker

        settings = load_settings(
            bootstrap_servers,
            bundle=bundle,
            force_rejected_bundle=force_rejected_bundle,
            data_dir=data_dir,
            metrics_port=metrics_port,
        )
        require_address(settings)
        configure_logging(debug=ctx.find_root().params["debug"])
        ctx.exit(run_worker(settings, cast("tuple[Stage, ...]", stages)))

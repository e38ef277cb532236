"""`engage demo`: starts what takes long at once, and imports the rest meanwhile."""

import sys
import time

import click

from engage.cli.arguments import COUNT
from engage.cli.forks import fork_server
from engage.cli.ports import free_port
from engage.embedded import clear_place
from engage.settings import Settings, load_settings


@click.command("demo")
@click.option(
    "--once", is_flag=True, help="Exit after the table (1 if anything was lost, doubled or unexplained)."
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON last.")
@click.option("--people", type=COUNT, default=60, show_default=True, help="Customers.")
def demo_command(once: bool, as_json: bool, people: int) -> None:
    """Play a shop's customers on the project's journeys, through the real API, workers and SDKs."""
    began = time.monotonic()
    settings = demo_settings(load_settings())
    clear_place(settings.data_dir)
    with fork_server() as forks:
        from engage.services import services_meanwhile

        with services_meanwhile(settings) as started:
            from engage.cli.demo.play import Opening, perform

            good = perform(
                Opening(settings, forks, started, began), people=people, once=once, as_json=as_json
            )
    if once:
        sys.exit(0 if good else 1)


def demo_settings(settings: Settings) -> Settings:
    """Return settings of the demo's own: its data apart, free ports where the usual ones are taken, no real accounts."""
    listen = f"127.0.0.1:{free_port(settings.host_port[1])}"
    return Settings(
        project=settings.project,
        data_dir=settings.data_dir / "demo",
        listen=listen,
        public_url=f"http://{listen}",
    )

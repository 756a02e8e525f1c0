"""`flask processors`: whether those who move the money can be used."""

import click

from webapp.cli.commands import Commands, as_json, print_json
from webapp.extensions import parts
from webapp.ports import Checked

commands = Commands("processors", help="Those who move the money.")


@commands.command()
@as_json
@click.pass_context
def check(ctx: click.Context, as_json: bool) -> None:
    """Ask each processor about keys, features, version, webhook and clock.

    Exit code 1 where one is wrong. It charges nothing and changes nothing.
    """
    it = parts()
    base = it.settings.base_url
    found = [
        {"processor": name, "what": one.what, "right": one.is_right, "said": one.said}
        for name, processor in it.processors.items()
        if isinstance(processor, Checked)
        for one in processor.check(f"{base}/webhooks/{name}")
    ]
    if as_json:
        print_json(found)
    else:
        for row in found:
            mark = "ok" if row["right"] else "NOT RIGHT"
            click.echo(f"{row['processor']}, {row['what']}: {mark}. {row['said']}")
        if not found:
            click.echo("Nothing to check: no real processor is chosen.")
    ctx.exit(0 if all(row["right"] for row in found) else 1)

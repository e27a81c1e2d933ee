"""The root of the command tree: names and one-line helps only; a group is loaded when it is called."""

from typing import Annotated, ClassVar

import typer

from mailctl.cli.lazy import App, Group
from mailctl.errors import EXIT_MEANINGS

EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {int(code):>3}  {meaning}" for code, meaning in EXIT_MEANINGS.items())
"""Shown below `mailctl --help`; the mark in front keeps the lines as they are."""


class Root(Group):
    """All of mailctl."""

    table: ClassVar[dict[str, tuple[str, str]]] = {
        "server": ("mailctl.cli.server", "Servers: presets, add, list, show, edit, rename, remove, discover."),
        "gateway": ("mailctl.cli.gateway", "Gateways: one mailbox on one server each."),
        "auth": ("mailctl.cli.auth", "Sign in by OAuth where passwords are not taken."),
        "test": ("mailctl.cli.check", "Prove that IMAP, POP3 and SMTP work, or say exactly why not."),
        "explain": ("mailctl.cli.explain", "What an error text or a whole log means, offline."),
        "sync": ("mailctl.cli.sync", "Bring mail down into Maildir, or keep both sides alike."),
        "watch": ("mailctl.cli.watch", "Keep mail synced as it comes."),
        "schedule": ("mailctl.cli.schedule", "Sync by itself: install, remove, show; by systemd or cron."),
        "status": ("mailctl.cli.status", "One row for each gateway: last check, last sync, errors."),
        "log": ("mailctl.cli.log", "The mailer log: show, export, import."),
        "secrets": ("mailctl.cli.secrets", "Where secrets are: doctor, list, move, prune, key."),
        "config": ("mailctl.cli.config", "Where the files are, and whether they are right."),
        "schema": ("mailctl.cli.schema", "JSON Schema of what --json prints."),
        "demo": ("mailctl.cli.demo", "The main job on embedded servers, with no account and no set-up."),
    }


app = App(group=Root, epilog=EPILOG)


def _version(ctx: typer.Context, given: bool) -> None:
    """Answers `--version` among other words; alone, `mailctl.__main__` has answered it already."""
    if given:
        from mailctl import __version__

        ctx.obj.stdout.write(f"mailctl {__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Connect mailboxes, prove that they work, say exactly why when they don't, and keep them synced."""

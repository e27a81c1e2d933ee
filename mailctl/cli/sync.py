"""`mailctl sync`: bring mail down into Maildir, or keep both alike."""

from typing import Annotated, Any

import typer

from mailctl.cli.context import Context
from mailctl.cli.lazy import App
from mailctl.cli.sync_result import SyncResult
from mailctl.cli.sync_run import Wanted, run_sync

app = App()
RESULTS: dict[str, Any] = {"sync": SyncResult}


@app.verb()
def sync(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[GATEWAY]...", help="What to sync; the default, or only, gateway.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Sync every gateway that is enabled.")] = False,
    folder: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Only these folders (* and ? mean anything, !GLOB leaves out); repeatable."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; change nothing anywhere.")] = False,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", help="Gateways at a time; by default `jobs` of config.toml, or 8.")
    ] = None,
    confirm_deletes: Annotated[
        bool, typer.Option("--confirm-deletes", help="Go on though many messages would be deleted.")
    ] = False,
    start_afresh: Annotated[
        bool, typer.Option("--start-afresh", help="Forget what was synced before; fetch what isn't in the Maildir.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare both sides and tell the differences; change nothing anywhere.")
    ] = False,
    content: Annotated[
        bool, typer.Option("--content", help="With --verify: compare every message's octets too, fetching them all.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Make the sync state anew from what is there; mend the Maildir."),
    ] = False,
) -> None:
    """Bring mail down into Maildir; in mirror mode, carry what changed on either side to the other.

    Without a name it syncs the default gateway, or the only one. In archive mode, nothing that is in the Maildir
    disappears. A message's file name tells which one it is, so any run can be interrupted and repeated. Of more
    messages than `max_per_run`, the newest come first.

    --verify ends with 11 if anything differs that no sync mends. --repair fetches nothing and keeps the old state;
    messages that were deleted here and are still on the server come again with the next sync.
    """
    wanted = Wanted(
        names=tuple(names or ()),
        every=every,
        folders=tuple(folder or ()),
        dry_run=dry_run,
        jobs=jobs,
        confirm_deletes=confirm_deletes,
        start_afresh=start_afresh,
        verify=verify,
        content=content,
        repair=repair,
    )
    run_sync(Context.of(ctx), wanted)

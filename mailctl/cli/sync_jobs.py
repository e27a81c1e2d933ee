"""Which gateways `sync` and `watch` are about, and the job of each."""

from typing import TYPE_CHECKING

from mailctl.cli.chosen import named
from mailctl.cli.context import Context
from mailctl.domain.when import counted
from mailctl.errors import ConfigError, MailctlError, NotFoundError, UsageError
from mailctl.sync.job import SyncJob

if TYPE_CHECKING:
    from mailctl.domain.gateway import Gateway


def chosen(context: Context, names: list[str], every: bool) -> "tuple[list[Gateway], list[str], list[MailctlError]]":
    """The gateways that the command line means, notes on those left out, and errors of those that can't be read."""
    if every:
        if names:
            raise UsageError("--all and names exclude each other")
        found, broken = context.load_gateways()
        wanted = [gateway for gateway in found if gateway.enabled and context.inbound_of(gateway).enabled]
        notes = []
        if len(wanted) < len(found):
            notes.append(
                f"Left out, since disabled or taking in no mail: {counted(len(found) - len(wanted), 'gateway')}."
            )
        if not wanted and not broken:
            raise NotFoundError("There is no gateway to sync", hint="`mailctl gateway add` makes one.")
        return wanted, notes, [ConfigError(text) for text in broken]
    return context.load_gateways(named(context, names))[0], [], []


def job_of(context: Context, gateway: "Gateway") -> SyncJob:
    """The job of one gateway. Raises ConfigError where it can't be synced."""
    from mailctl.domain.server import Protocol

    if not gateway.enabled:
        raise ConfigError(
            f"The gateway {gateway.name!r} is disabled",
            hint=f"`mailctl gateway enable {gateway.name}` switches it on.",
            code="disabled",
        )
    joined = context.join(gateway, context.server(gateway.server))
    inbound = joined.inbound
    if not inbound.enabled:
        raise ConfigError(f"The gateway {gateway.name!r} takes in no mail", code="inbound_disabled")
    protocol = inbound.protocol or Protocol.IMAP
    return SyncJob(
        gateway=gateway,
        protocol=protocol,
        endpoint=joined.endpoint(protocol),
        inbound=inbound,
        root=str(context.maildir(gateway)),
        state=str(context.paths.state / "sync" / f"{gateway.name}.db"),
        provider=joined.provider,
        since=_since(context, inbound.since),
        timeout=context.config.settings.timeout,
    )


def today(context: Context, job: SyncJob) -> SyncJob:
    """A job made some time ago as it is now: an age such as 90d is counted from today."""
    from dataclasses import replace

    return replace(job, since=_since(context, job.inbound.since))


def _since(context: Context, since: str | None) -> str:
    from mailctl.domain.units import since_date

    return since_date(since, context.now().date()).isoformat() if since else ""

"""What a check learnt besides its verdict: a pure reading of what its stages report."""

from collections.abc import Iterator, Mapping, Sequence

from mailctl.diagnosis.beyond import beyond
from mailctl.diagnosis.closer.certificate import inspector
from mailctl.domain.check import CheckJob, Finding, Level, StageReport, StageStatus
from mailctl.domain.server import Protocol, is_local
from mailctl.domain.when import counted

EXPIRES_SOON = 21
"""Days before a certificate's end from which a check warns."""
_FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}
_SILENT = {"tcp_timeout": "does not answer", "tcp_refused": "refuses connections", "tcp_reset": "cuts connections"}
_FAIL = "programs that know only {} fail, and others may"


def findings(job: CheckJob, stages: Sequence[StageReport]) -> tuple[Finding, ...]:
    """What is worth saying of a check whose stages so far are these: each once, warnings first."""
    found = list(dict.fromkeys(_found(job, stages)))
    return tuple(sorted(found, key=lambda finding: finding.level is not Level.WARNING))


def _found(job: CheckJob, stages: Sequence[StageReport]) -> Iterator[Finding]:
    if job.endpoint.risk and any(stage.name != "secret" for stage in stages):
        yield Finding("unsafe_endpoint", Level.WARNING, job.endpoint.risk)
    for stage in stages:
        yield from _told(stage.detail)
        yield from _families(job, stage.detail)
        if stage.status is StageStatus.PASSED:
            yield from _certificate(job, stage.detail)
            yield from _before_tls(job, stage.detail)
    yield from beyond(job, stages)


def _told(detail: Mapping[str, object]) -> Iterator[Finding]:
    """What the adapter itself warns of."""
    said = detail.get("warnings")
    for line in said if isinstance(said, list | tuple) else ():
        yield Finding("unsafe_connection", Level.WARNING, str(line))
    if detail.get("renewed") is True:
        text = "the server refused the OAuth token that was kept, so a fresh one was fetched"
        yield Finding("token_renewed", Level.NOTE, text)
    lapses = detail.get("lapses")
    for line in lapses if isinstance(lapses, list | tuple) else ():
        yield Finding("sign_in_lapses", Level.WARNING, str(line))


def _certificate(job: CheckJob, detail: Mapping[str, object]) -> Iterator[Finding]:
    found = inspector(str(detail.get("issuer", "")))
    if found:
        _, where, product = found
        text = (
            f"{product} opens the encrypted connection to {job.endpoint.host} {where} and can read along, passwords too"
        )
        yield Finding("certificate_of_inspector", Level.NOTE, text)
    days = detail.get("days_left")
    if isinstance(days, int | float) and 0 <= days <= EXPIRES_SOON:
        text = f"the certificate of {job.endpoint} expires in {counted(round(days), 'day')}"
        yield Finding("certificate_expires_soon", Level.WARNING, text)


def _families(job: CheckJob, detail: Mapping[str, object]) -> Iterator[Finding]:
    """One family that is broken while the other works. A machine without the family, or localhost, lacks nothing."""
    families, host = detail.get("families"), job.endpoint.host
    if not isinstance(families, Mapping) or is_local(host):
        return
    for name, other in (("ipv6", "ipv4"), ("ipv4", "ipv6")):
        broken, well = families.get(name), families.get(other)
        if not isinstance(broken, Mapping) or not isinstance(well, Mapping) or broken.get("route") is False:
            continue
        cause, addresses = broken.get("cause"), broken.get("addresses")
        if cause and "answered" in well and isinstance(addresses, list) and addresses:
            here, there = _FAMILIES[name], _FAMILIES[other]
            how = _SILENT.get(str(cause), "can't be reached")
            costs = f"programs that try {here} first wait for it to fail" if how == "does not answer" else _FAIL
            text = f"{host} {how} over {here} ({addresses[0]}) while {there} works: {costs.format(here)}"
            yield Finding(f"{name}_broken", Level.WARNING, text)


def _before_tls(job: CheckJob, detail: Mapping[str, object]) -> Iterator[Finding]:
    """A server that takes passwords before STARTTLS too; to its own machine it may."""
    offered = detail.get("capabilities_before_tls", detail.get("extensions_before_tls"))
    if not isinstance(offered, list | tuple) or is_local(job.endpoint.host):
        return
    lines = [str(line).upper() for line in offered]
    if job.protocol is Protocol.IMAP:
        open_to_all = bool(lines) and "LOGINDISABLED" not in lines
    else:  # POP3 says `USER` and `SASL PLAIN`, SMTP `AUTH PLAIN LOGIN`
        ways = [line.split() for line in lines if line.startswith(("AUTH ", "SASL "))]
        open_to_all = "USER" in lines or any({"PLAIN", "LOGIN"} & set(way) for way in ways)
    if open_to_all:
        text = f"{job.endpoint} takes passwords before encryption too: a program that is set up wrongly exposes them"
        yield Finding("sign_in_before_tls", Level.NOTE, text)

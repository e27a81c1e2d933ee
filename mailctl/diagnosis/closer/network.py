"""What second looks around the server tell: its ports, where the mail of the domain arrives, how its name is spelt."""

import re
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address

from mailctl.diagnosis.closer.looks import MISPLACED, UNTRUSTED, USUAL, Seen
from mailctl.diagnosis.closer.told import NOTHING, Told, site, step
from mailctl.domain.check import CheckJob
from mailctl.domain.look import MailHome, PortSeen
from mailctl.domain.provider import Provider, Status
from mailctl.domain.server import Security

USE = "Use this: `mailctl server edit {server} --{flag} {where} --{flag}-security {security}`."
_MEANT = "Correct the host: `mailctl server edit {server} --{flag} {where}`."
_DISCOVER = "Let mailctl look for the servers of this address: `mailctl server discover {address}`."
_GO_THERE = (
    "If the mailbox is at {name}, connect it there: `mailctl server add {preset}`, "
    "then `mailctl gateway edit {gateway} --server {preset}`."
)
_ADDRESS = "Correct the address: `mailctl gateway edit {gateway} --email {address}`."
_LONGER = "Give it more time: run it again with `--timeout 30`."
_FAMILY = "Tell whoever runs this network, or the server, that {broken} fails: a ban, a block list or a broken way."
_SPEAKS = {"imap": "IMAP", "pop3": "POP3", "smtp": "SMTP", "http": "HTTP (a web server)", "ssh": "SSH"}
_CAUSES = {
    "tcp_refused": "refuses connections",
    "tcp_timeout": "does not answer",
    "tcp_unreachable": "can't be reached",
    "tcp_reset": "cuts connections",
    "tcp_blocked_locally": "is forbidden by this machine",
}
_LOCAL = re.compile(r"(?:.*\.)?localhost\.?|127\.[\d.]+|::1", re.IGNORECASE)
_RELAY = 25
_ENOUGH = 3.0  # seconds that a sound server may well take, far away or under load
_FITS_AT_MOST = 253


def is_public(owner: Provider | None) -> bool:
    """Whether a host is one of a known provider's, which are well run and show what they always show."""
    return owner is not None and owner.status in (Status.ACTIVE, Status.ENDING)


def told_ports(job: CheckJob, cause: str, seen: Seen) -> Told:
    """What the ports that were looked at tell. cause: of the failure."""
    if not seen.ports:
        return NOTHING
    protocol, asked = job.protocol.value, job.endpoint.port
    facts = {f"open:{each.port}" for each in seen.ports if not each.cause}
    says = [f"{_port(each)}." for each in seen.ports]
    steps: list[str] = []
    others = [each for each in seen.ports if each.port != asked]
    usual = dict(USUAL[job.protocol])
    fitting = [each for each in others if each.speaks == protocol and _security(each) is usual.get(each.port)]
    if fitting:
        best = next((each for each in fitting if each.tls), fitting[0])
        facts.add("ports:fit")
        where = str(replace(job.endpoint, port=best.port))
        steps.append(step(USE, job, where=where, security=_security(best).value))
        if asked == _RELAY and cause in ("tcp_timeout", "tcp_unreachable"):
            says.append("So it is port 25 alone that is closed, as in most networks for homes, offices and clouds.")
    elif cause.startswith("tcp_") and others and all(each.cause for each in others):
        facts.add("ports:none")
        says = [_none(job, cause, others)]
    here = next((each for each in seen.ports if each.port == asked), None)
    if here and here.speaks not in ("", protocol):
        facts.add("asked:other")
    return Told(frozenset(facts), tuple(says), tuple(steps))


def told_addresses(job: CheckJob, cause: str, addresses: Sequence[str], seen: Seen) -> Told:
    """What the addresses of the host tell: those of no server, or of this network in a provider's place."""
    found = [ip for each in addresses if (ip := _ip(each)) is not None]
    if not found or cause not in MISPLACED | UNTRUSTED:
        return NOTHING
    shown = ", ".join(map(str, found[:3]))
    if any(ip.is_unspecified for ip in found):
        said = f"The name server in use gives {shown} for {job.endpoint.host}, which is no server's address."
        return Told(frozenset({"dns:blocked"}), (said,))
    if is_public(seen.owner) and not any(ip.is_global for ip in found):
        said = f"The name server in use gives {shown} for {job.endpoint.host}, an address inside a private network."
        return Told(frozenset({"dns:private"}), (said,))
    return NOTHING


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def told_time(job: CheckJob, cause: str) -> Told:
    """What the time that was allowed tells: little, where it was too short for many a sound server."""
    if job.timeout >= _ENOUGH or not cause.endswith("_timeout"):
        return NOTHING
    said = f"The check had {job.timeout:g} s in all, which is too little to tell a server that fails from a slow one."
    return Told(says=(said,), steps=(_LONGER,))


def told_family(job: CheckJob, seen: Seen) -> Told:
    """What the same port tells over the address family that was not in use."""
    if seen.other_family is None:
        return NOTHING
    family, port = seen.other_family
    if port.speaks != job.protocol.value:
        return NOTHING
    broken = "IPv6" if family == "IPv4" else "IPv4"
    said = f"Over {family} the same port answers as it should: it is the way over {broken} that fails."
    return Told(frozenset({"family:other_works"}), (said,), (_FAMILY.replace("{broken}", broken),))


def _port(seen: PortSeen) -> str:
    if seen.cause:
        return f"Port {seen.port} {_CAUSES.get(seen.cause, 'gives no connection')}"
    if seen.speaks:
        return f"Port {seen.port} answers with {_SPEAKS[seen.speaks]}{' over TLS' if seen.tls else ''}"
    return f"Port {seen.port} {'speaks TLS' if seen.tls else 'takes connections'}, but greets in no known way"


def _security(seen: PortSeen) -> Security:
    return Security.TLS if seen.tls else Security.STARTTLS


def _none(job: CheckJob, cause: str, others: list[PortSeen]) -> str:
    """One sentence where no port of the protocol gives a connection."""
    ports = ", ".join(str(each.port) for each in others)
    name, host = job.protocol.upper(), job.endpoint.host
    if _LOCAL.fullmatch(host):
        return f"No other usual port of {name} ({ports}) answers on this machine: the service is not running."
    if {cause, *(each.cause for each in others)} == {"tcp_refused"}:
        return f"Neither does {host} take connections on the other usual ports of {name} ({ports}): it runs no {name}."
    return (
        f"No usual port of {name} on {host} answers, not {ports} either, though the name is known: the host is down, "
        "or a firewall, of this network or of the server's, keeps mail out."
    )


def told_home(job: CheckJob, stage: str, seen: Seen) -> Told:
    """What is known of where the mail of the address arrives, against the server that was asked."""
    home = seen.home
    if home is None:
        return NOTHING
    local, _, domain = job.address.rpartition("@")
    host = job.endpoint.host
    if home.exists is False:
        near = f", but there is {home.similar}" if home.similar else ""
        fix = [step(_ADDRESS, job, address=f"{local}@{home.similar}")] if home.similar and job.gateway else []
        return Told(frozenset({"domain:missing"}), (f"There is no domain {domain}{near}.",), tuple(fix))
    if home.hosts and not any(home.hosts):
        return Told(frozenset({"domain:no_mail"}), (f"{domain} says that it takes no mail at all (null MX).",))
    facts: set[str] = set()
    says: list[str] = []
    steps: list[str] = []
    if home.provider is not None and not _same(home, home.provider, seen, host):
        facts.add("home:elsewhere")
        by = f" (MX {next(filter(None, home.hosts))})" if home.hosts else ""
        name = home.provider.name.partition(" (")[0]
        says.append(f"Mail for {domain} arrives at {name}{by}, and {host} is none of its servers.")
        if home.provider.endpoint(job.protocol) and home.provider.status is not Status.UNSUPPORTED:
            steps.append(step(_GO_THERE, job, name=name, preset=home.provider.id))
    elif home.provider is None and home.hosts and is_public(seen.owner) and seen.owner and seen.owner.mx:
        first = next(filter(None, home.hosts))
        says.append(f"Mail for {domain} arrives at {first}, which is not known as one of {seen.owner.name}.")
    if stage == "dns" and not steps:
        steps.append(step(_DISCOVER, job, address=job.address))
    return Told(frozenset(facts), tuple(says), tuple(steps))


def _same(home: MailHome, provider: Provider, seen: Seen, host: str) -> bool:
    """Whether `host` belongs to the house where the mail arrives, or may well do so."""
    if not provider.mx_certain or (seen.owner and seen.owner.family == provider.family):
        return True
    known = [each.host for found in provider.endpoints.values() for each in found]
    return site(host) in {site(each) for each in (*known, *home.hosts) if each}


def told_host(job: CheckJob, stage: str, seen: Seen) -> Told:
    """What the spelling of a host that does not exist tells."""
    if stage != "dns":
        return NOTHING
    host = job.endpoint.host
    meant = seen.similar_host
    said = f"A mail server by the name of {meant} is known." if meant else ""
    bare = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*:/+", "", host.strip()).split("/")[0].strip().rstrip(".")
    bare = re.sub(r":\d+$", "", re.sub(r"^.*@", "", bare))
    if not meant and bare != host and len(bare) <= _FITS_AT_MOST and re.fullmatch(r"[\w-]+(\.[\w-]+)+", bare):
        meant, said = bare, "A host is written without scheme, path, user and white space."
    if not meant:
        return NOTHING
    return Told(
        frozenset({"host:misspelt"}),
        (said,),
        (step(_MEANT, job, where=str(replace(job.endpoint, host=meant))),),
    )

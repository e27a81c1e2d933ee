"""What the limits of config.toml forbid, as sentences. Pure."""

from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase

from mailctl.domain.gateway import Gateway
from mailctl.domain.server import Server
from mailctl.domain.settings import Limits
from mailctl.domain.when import counted


def domain_problem(email: str, limits: Limits) -> str:
    """Why an address must not be used, or "" if it may."""
    domain = email.rpartition("@")[2].lower().rstrip(".")
    if not limits.allowed_domains or any(fnmatchcase(domain, glob.lower()) for glob in limits.allowed_domains):
        return ""
    return f"the domain {domain} is not among the allowed ones ({', '.join(limits.allowed_domains)})"


def owner_problem(gateway: Gateway, others: Iterable[Gateway], limits: Limits) -> str:
    """Why `gateway` would be one too many for its owner, or "". Shared ones, and those of nobody, don't count.

    others: gateways that may be the same owner's; `gateway` itself may be among them.
    """
    most = limits.gateways_per_owner
    if most is None or gateway.shared or not gateway.owner:
        return ""
    names = {each.name for each in others if each.owner == gateway.owner and not each.shared}
    if len(names | {gateway.name}) <= most:
        return ""
    return f"{gateway.owner} has {counted(len(names - {gateway.name}), 'gateway')} already, and may have {most}"


def tls_problem(server: Server, limits: Limits) -> str:
    """Why a server's TLS policy is too weak, or ""."""
    if server.certificate.minimum_tls >= limits.minimum_tls:
        return ""
    return f"TLS {server.certificate.minimum_tls} is older than {limits.minimum_tls}, which the limits ask for"


def connections_allowed(limits: Limits, published: int | None) -> int | None:
    """How many connections one sync may have to one mailbox; None: nothing is known to forbid any number.

    published: how many the provider lets one user have; half of them are left to his other programs.
    """
    known = [limits.connections, None if published is None else max(1, published // 2)]
    return min((each for each in known if each is not None), default=None)


def broken_rules(
    gateways: Iterable[Gateway], servers: Collection[str], limits: Limits
) -> Iterator[tuple[str, str, str, str]]:
    """(gateway's name, key, message, fix) for each gateway on a server that isn't there, or that the limits forbid."""
    owners: dict[str, list[Gateway]] = {}
    for gateway in gateways:
        if not gateway.shared:
            owners.setdefault(gateway.owner, []).append(gateway)
        if gateway.server not in servers:
            fix = f"mailctl gateway edit {gateway.name} --server OTHER"
            yield gateway.name, "server", f"there is no server named {gateway.server!r}", fix
        if problem := domain_problem(gateway.email, limits):
            yield gateway.name, "email", problem, "Remove the gateway, or change [limits] in config.toml."
    most = limits.gateways_per_owner
    for owner, theirs in owners.items():
        if owner and most is not None and len(theirs) > most:
            message = f"{owner} has {counted(len(theirs), 'gateway')}, and may have {most}"
            yield theirs[-1].name, "owner", message, "Remove one, share one, or change [limits] in config.toml."

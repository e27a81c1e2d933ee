"""Second looks at what surrounds a failed check: its server's ports, where the mail of its domain arrives, near names.

The presets and what speaks DNS and TCP come together here; the latter are handed in. Answers are kept for as long as
the command runs: many gateways on one server that is down ask once.
"""

from collections.abc import Callable, Sequence

from mailctl.domain.deadline import Deadline
from mailctl.domain.discovery import Resolver
from mailctl.domain.look import MailHome, PortSeen
from mailctl.domain.provider import Provider
from mailctl.errors import MailctlError
from mailctl.providers import catalog

_NO_DOMAINS = ("test", "invalid", "example", "localhost", "local", "example.com", "example.net", "example.org")
"""Names that no public DNS knows (RFC 6761, 6762) and that it is not to be troubled with."""

PortLook = Callable[[str, Sequence[tuple[int, bool]], Deadline, str], tuple[PortSeen, ...]]


class Surroundings:
    """A `domain.look.Looks`. see_ports: as `Looks.ports`. private: whether the name server asked is the user's own
    choice, so that names which public DNS doesn't know may be asked for too.
    """

    def __init__(self, see_ports: PortLook, resolver: Resolver, *, private: bool = False) -> None:
        self._see_ports, self._resolver, self._private = see_ports, resolver, private
        self._ports: dict[tuple[str, tuple[tuple[int, bool], ...], str], tuple[PortSeen, ...]] = {}
        self._homes: dict[str, MailHome] = {}

    def ports(
        self, host: str, ports: Sequence[tuple[int, bool]], deadline: Deadline, family: str = ""
    ) -> tuple[PortSeen, ...]:
        """See `domain.look.Looks`."""
        key = host.lower(), tuple(ports), family
        if key not in self._ports:
            self._ports[key] = self._see_ports(host, ports, deadline, family)
        return self._ports[key]

    def mail_home(self, domain: str, deadline: Deadline) -> MailHome:
        """See `domain.look.Looks`."""
        domain = domain.lower().rstrip(".")
        if domain not in self._homes:
            self._homes[domain] = self._home(domain, deadline)
        return self._homes[domain]

    def owner(self, host: str) -> Provider | None:
        """See `domain.look.Looks`."""
        return catalog.by_host(host)

    def similar_host(self, host: str) -> str:
        """See `domain.look.Looks`."""
        endpoints = (each for provider in catalog.load_all() for each in provider.endpoints.values())
        return _almost(host, {each.host for found in endpoints for each in found if "{" not in each.host})

    def _home(self, domain: str, deadline: Deadline) -> MailHome:
        provider = catalog.by_domain(domain)
        if provider is not None:
            return MailHome(domain, True, (), provider)
        if not self._private and any(f".{domain}".endswith(f".{name}") for name in _NO_DOMAINS):
            return MailHome(domain)
        try:
            records = sorted(self._resolver.mx(domain, deadline), key=lambda each: (each.preference, each.host))
        except MailctlError as error:
            if error.cause != "dns_not_found":
                return MailHome(domain)
            known = {each for provider in catalog.load_all() for each in provider.domains if "*" not in each}
            return MailHome(domain, False, similar=_almost(domain, known))
        hosts = tuple(each.host.lower() for each in records)
        served = next((found for host in hosts if host and (found := catalog.by_mx(host))), None)
        return MailHome(domain, True, hosts, served)


def _almost(name: str, known: set[str]) -> str:
    """The known name that differs from `name` in one label, by one slip of the fingers; ""."""
    labels = name.lower().rstrip(".").split(".")
    for other in sorted(known if ".".join(labels) not in known else ()):
        pairs = list(zip(labels, other.split("."), strict=False))
        differing = [(mine, theirs) for mine, theirs in pairs if mine != theirs]
        if other.count(".") == len(labels) - 1 and len(differing) == 1 and _one_slip(*differing[0]):
            return other
    return ""


def _one_slip(typed: str, meant: str) -> bool:
    """Whether one letter is missing, too many or another one, or two have changed places."""
    start = 0
    while typed[start : start + 1] == meant[start : start + 1] != "":
        start += 1
    end = 0
    while end < min(len(typed), len(meant)) - start and typed[-1 - end] == meant[-1 - end]:
        end += 1
    left, right = typed[start : len(typed) - end], meant[start : len(meant) - end]
    return max(len(left), len(right)) == 1 or (len(left) == 2 and left == right[::-1])

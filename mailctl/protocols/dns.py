"""DNS look-ups for discovery, bounded in time and size. Mail servers' addresses are `resolve`'s."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mailctl.domain.deadline import Deadline
from mailctl.domain.discovery import MxRecord, SrvRecord
from mailctl.domain.server import parse_host_port
from mailctl.errors import ConfigError, NetworkError
from mailctl.protocols.idn import a_labels
from mailctl.protocols.resolve import Address

if TYPE_CHECKING:
    from dns.resolver import Resolver

LONGEST = 6.0
"""Seconds that one look-up may take: two name servers, twice."""
TRY = 1.5
"""Seconds until the next name server is asked."""
MOST_RECORDS = 30


class Dns:
    """Looks records up; a `domain.discovery.Resolver`. nameserver: `ADDRESS[:PORT]` to ask; "" asks the system's."""

    def __init__(self, nameserver: str = "") -> None:
        self._nameserver = nameserver

    def srv(self, name: str, deadline: Deadline) -> list[SrvRecord]:
        """The SRV records of `name` (RFC 2782), none if there are none or no such name. Raises NetworkError."""
        found = self._look_up(name, "SRV", deadline)
        return [SrvRecord(r.priority, r.weight, r.port, _name(r.target)) for r in found or ()]

    def mx(self, domain: str, deadline: Deadline) -> list[MxRecord]:
        """The MX records of `domain`. Raises NetworkError, with cause dns_not_found where there is no such domain."""
        found = self._look_up(domain, "MX", deadline)
        if found is None:
            raise NetworkError(
                f"There is no domain {domain}", hint="Check the spelling of the address.", cause="dns_not_found"
            )
        return [MxRecord(r.preference, _name(r.exchange)) for r in found]

    def addresses(self, host: str, port: int, deadline: Deadline) -> list[Address]:
        """The addresses of `host`, IPv6 first; as `resolve` gives them, but from here. Raises NetworkError."""
        from socket import AF_INET, AF_INET6

        v6, v4 = (self._look_up(host, kind, deadline) or [] for kind in ("AAAA", "A"))
        found = [Address(AF_INET6, str(r.address), (str(r.address), port, 0, 0)) for r in v6]
        found += [Address(AF_INET, str(r.address), (str(r.address), port)) for r in v4]
        if not found:
            raise NetworkError(f"There is no host named {host}", cause="dns_not_found")
        return found

    def _look_up(self, name: str, kind: str, deadline: Deadline) -> list[Any] | None:
        """At most `MOST_RECORDS` records; None if there is no such name."""
        import dns.exception
        import dns.resolver

        try:
            answer = self._resolver.resolve(
                f"{a_labels(name)}.",
                kind,
                lifetime=deadline.remaining(LONGEST) or LONGEST,
                raise_on_no_answer=False,
                search=False,
            )
        except dns.resolver.NXDOMAIN:
            return None
        except dns.exception.Timeout as error:
            raise _failure(name, kind, "no name server answered in time") from error
        except dns.resolver.NoNameservers as error:
            raise _failure(name, kind, f"the name servers failed ({_codes(error)})") from error
        except dns.resolver.YXDOMAIN as error:
            raise _failure(name, kind, "the answer is longer than a name can be") from error
        except (dns.exception.DNSException, OSError) as error:
            raise _failure(name, kind, str(error)[:200] or type(error).__name__) from error
        return list(answer.rrset or ())[:MOST_RECORDS]

    @cached_property
    def _resolver(self) -> "Resolver":
        import dns.resolver

        if not self._nameserver:
            try:
                resolver = dns.resolver.Resolver()
            except dns.resolver.NoResolverConfiguration as error:
                raise NetworkError(
                    "This machine has no name server configured", hint="Is it online?", cause="dns_temporary"
                ) from error
        else:
            resolver = dns.resolver.Resolver(configure=False)
            resolver.nameservers, resolver.port = _server(self._nameserver)
        resolver.timeout = TRY
        return resolver


def _server(nameserver: str) -> tuple[list[Any], int]:
    from ipaddress import ip_address

    host, port = parse_host_port(nameserver, 53)
    try:
        return [str(ip_address(host))], port
    except ValueError:
        raise ConfigError(
            f"The name server {nameserver!r} is not an IP address", hint="Write it as ADDRESS or ADDRESS:PORT."
        ) from None


def _name(name: Any) -> str:
    """A domain name as text without its last dot; "" for the root."""
    return str(name.to_text(omit_final_dot=True))[:255] if len(name.labels) > 1 else ""


def _failure(name: str, kind: str, why: str) -> NetworkError:
    return NetworkError(
        f"Looking up {kind} of {name} failed: {why}", hint="Is this machine online?", cause="dns_temporary"
    )


def _codes(error: Any) -> str:
    """The response codes of all servers, such as `SERVFAIL`, each once."""

    def codes() -> Iterator[str]:
        for each in error.kwargs.get("errors", ()):
            yield str(each[3])[:40]

    return ", ".join(dict.fromkeys(codes())) or "no answer"

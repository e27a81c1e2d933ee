"""Second looks after a failure: which it deserves, and the thin part that has them carried out; `told` reads them.

They settle what the failure alone leaves open, and are safe: no secret takes part, nobody signs in a second time, and
the check's one deadline holds for them too.
"""

from mailctl.domain.check import CheckJob
from mailctl.domain.deadline import Deadline
from mailctl.domain.look import Looks, MailHome, PortSeen
from mailctl.domain.provider import Provider
from mailctl.domain.record import dataclass
from mailctl.domain.server import Protocol, Security
from mailctl.errors import NetworkError

PORTS = 2.0
"""Seconds for the ports, all together, where the server itself could not be reached."""
QUICK = 1.0
"""Seconds for them where it could: then the look is only to confirm, and the verdict is due within three seconds."""
HOME = 0.9
"""Seconds for the MX of the domain; servers take up to two to refuse a sign-in, and the verdict is due in three."""
FAMILY = 0.7
"""Seconds for the same port over the other address family."""
LEAST = 0.1
"""Seconds that must be left for a look to be worth it."""
USUAL: dict[Protocol, tuple[tuple[int, Security], ...]] = {
    Protocol.IMAP: ((993, Security.TLS), (143, Security.STARTTLS)),
    Protocol.POP3: ((995, Security.TLS), (110, Security.STARTTLS)),
    Protocol.SMTP: ((465, Security.TLS), (587, Security.STARTTLS)),
}
"""Where a protocol is served (RFC 8314 section 7), the best first."""
_UNREACHED = frozenset({"tcp_refused", "tcp_timeout", "tcp_unreachable", "tcp_reset"})
_MISTAKEN = frozenset({"wrong_protocol", "starttls_unavailable", "starttls_injected", "eof_no_greeting"})
_MIXED_UP = frozenset({"tls_on_plain_port", "plain_on_tls_port", "tls_handshake_timeout"})
MISPLACED = _UNREACHED | _MISTAKEN | _MIXED_UP
"""Causes behind which there may be a wrong port, host or security."""
UNTRUSTED = frozenset(
    {"tls_unknown_issuer", "tls_intercepted", "tls_self_signed", "tls_verify_failed", "tls_hostname_mismatch"}
)
"""Causes by which a certificate proves nothing of who answers."""
_CUT = frozenset({"eof_no_greeting", "tcp_reset", "tls_eof", "tls_handshake_timeout", "ip_blocked", "ip_banned"})
"""Causes that may hold for one address family alone: a ban, a block list, a broken way."""
_NO_HOST = frozenset({"dns_not_found", "dns_bad_name"})
_SIGN_IN = frozenset({"bad_credentials", "username_format", "unknown_user", "unknown", "account_restricted", "policy"})
_PERHAPS = frozenset({"app_password_required", "oauth_required", "auth_code_required", "credentials_or_protocol"})
"""Causes of a refused sign-in that are often no more than guessed from what the provider usually wants."""
_RELAY = 25


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which looks a failure deserves. ports: each with whether TLS is spoken from the start, none: no such look;
    seconds: for them. family: the same port over the other address family, if the host has one.
    """

    ports: tuple[tuple[int, bool], ...] = ()
    home: bool = False
    host: bool = False
    family: bool = False
    seconds: float = PORTS


@dataclass(frozen=True, slots=True)
class Seen:
    """What the looks showed; what was not asked, or not answered in time, is empty.

    other_family: the port that failed, over the family that was not in use, and its name (`IPv4`).
    owner: the provider whose server the host is. similar_host: a known host of almost the same name.
    """

    ports: tuple[PortSeen, ...] = ()
    other_family: tuple[str, PortSeen] | None = None
    home: MailHome | None = None
    owner: Provider | None = None
    similar_host: str = ""


def wanted(job: CheckJob, stage: str, cause: str, *, sure: bool = True) -> Wanted:
    """The looks that a check which failed at `stage` for `cause` deserves. sure: of the cause."""
    if stage == "dns" and cause in _NO_HOST:
        return Wanted(home=True, host=True)
    if stage == "dns":  # the name server doesn't answer: what is known here may help all the same
        return Wanted(host=True)
    if stage == "authenticate" and (cause in _SIGN_IN or (cause in _PERHAPS and not sure)):
        return Wanted(home=True)
    asked = job.endpoint.port
    family = cause in _CUT and stage in ("tls", "greeting", "ehlo")
    if (cause in _UNREACHED and stage in ("tcp", "greeting")) or cause in _MISTAKEN or cause in _MIXED_UP:
        ports = [(port, security is Security.TLS) for port, security in USUAL[job.protocol] if port != asked]
        if cause in _MIXED_UP:  # the port itself, the other way round
            ports.append((asked, job.endpoint.security is not Security.TLS))
        quick = cause not in _UNREACHED or stage != "tcp"
        return Wanted(tuple(ports), family=family, seconds=QUICK if quick else PORTS)
    if job.protocol is Protocol.SMTP and asked == _RELAY and cause == "auth_not_offered":
        usual = tuple((port, security is Security.TLS) for port, security in USUAL[job.protocol])
        return Wanted(usual, seconds=QUICK)
    return Wanted(family=family)


def look(want: Wanted, job: CheckJob, other_family: str, looks: Looks, deadline: Deadline) -> Seen:
    """Carry out the looks of `want` as far as the check's deadline leaves time for them. Never raises.

    other_family: `IPv4` or `IPv6`, the one that the host has too and that the check did not use; "" if it has none.
    """
    ports: tuple[PortSeen, ...] = ()
    other = None
    if want.family and other_family and (within := _within(deadline, FAMILY)):
        asked = ((job.endpoint.port, job.endpoint.security is Security.TLS),)
        answers = looks.ports(job.endpoint.host, asked, within, other_family)
        other = (other_family, answers[0]) if answers else None
    home, similar = None, ""
    if want.ports and (within := _within(deadline, want.seconds)):
        ports = looks.ports(job.endpoint.host, want.ports, within)
    domain = job.address.rpartition("@")[2]
    if want.home and domain and (within := _within(deadline, HOME)):
        home = looks.mail_home(domain, within)
    if want.host:
        similar = looks.similar_host(job.endpoint.host)
    return Seen(ports, other, home, looks.owner(job.endpoint.host), similar)


def _within(deadline: Deadline, most: float) -> Deadline | None:
    """A deadline for one look, or None where no time is left for it."""
    try:
        left = deadline.remaining(most)
    except NetworkError:
        return None
    return Deadline(left) if left is not None and left > LEAST else None

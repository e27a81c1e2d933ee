"""Reads an autoconfig document (clientConfig 1.1) of a mail domain. The document is hostile until it has been read.

Format: https://wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat
"""

from typing import TYPE_CHECKING

from mailctl.domain.address import Address
from mailctl.domain.discovery import Candidate, Finding, Page, Source, host_name
from mailctl.domain.provider import SignIn
from mailctl.domain.server import Endpoint, Protocol, Security
from mailctl.errors import ProtocolError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element  # the type alone; parsing is defusedxml's

MOST_SERVERS = 20
_SECURITY = {"SSL": Security.TLS, "TLS": Security.TLS, "STARTTLS": Security.STARTTLS, "plain": Security.NONE}
_METHODS = {
    "password-cleartext": SignIn.PASSWORD,
    "plain": SignIn.PASSWORD,
    "password-encrypted": SignIn.PASSWORD,
    "secure": SignIn.PASSWORD,
    "OAuth2": SignIn.OAUTH,
}


def paths(domain: str) -> tuple[str, str]:
    """Where a domain (A-labels) may keep its document. The address is never part of it: the provider needs no name."""
    return (
        f"https://autoconfig.{domain}/mail/config-v1.1.xml",
        f"https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml",
    )


def parse(page: Page, address: Address) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """The candidates of a document, in its order, and warnings about what in it is not usable.

    address: for the placeholders of user names, which are filled in here. Raises ProtocolError for what is no such
    document: no XML, a DTD or entities, another root element.
    """
    from xml.etree.ElementTree import ParseError  # the exception alone

    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(page.body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:  # LookupError: an unknown encoding
        raise ProtocolError(f"The document at {page.url} is no proper XML", code="bad_autoconfig") from error
    if root.tag != "clientConfig":
        raise ProtocolError(f"The document at {page.url} is no autoconfig", code="bad_autoconfig")
    candidates: list[Candidate] = []
    warnings: list[str] = []
    servers = [*root.iterfind("emailProvider/incomingServer"), *root.iterfind("emailProvider/outgoingServer")]
    for server in servers[:MOST_SERVERS]:
        protocol = _protocol(server)
        if protocol is None:
            continue
        endpoint = _endpoint(server)
        if endpoint is None:
            warnings.append(f"{page.url} names a {protocol.upper()} server that can't be one; it is left out.")
            continue
        candidates.append(
            Candidate(
                protocol, endpoint, (Finding(Source.AUTOCONFIG, page.url),), _user(server, address), _methods(server)
            )
        )
    return tuple(candidates), tuple(warnings)


def _protocol(server: "Element") -> Protocol | None:
    kind = server.get("type", "").lower()
    wanted = ("smtp",) if server.tag == "outgoingServer" else ("imap", "pop3")
    return Protocol(kind) if kind in wanted else None


def _text(server: "Element", name: str) -> str:
    return (server.findtext(name) or "").strip()[:300]


def _endpoint(server: "Element") -> Endpoint | None:
    host, port = host_name(_text(server, "hostname")), _text(server, "port")
    security = _SECURITY.get(_text(server, "socketType"))
    usable = host and security and port.isascii() and port.isdecimal() and len(port) <= 5 and 1 <= int(port) <= 65535
    return Endpoint(host, int(port), security) if usable and security else None


def _user(server: "Element", address: Address) -> str:
    """The user name with its placeholders filled in; "" for none, or for one that no user name can be."""
    user = _text(server, "username")
    if user.replace("%EMAILADDRESS%", "").replace("%EMAILLOCALPART%", "").replace("%EMAILDOMAIN%", "").count("%"):
        return ""
    if "%EMAIL" not in user:
        return ""  # one name for everybody can't be right
    user = user.replace("%EMAILADDRESS%", str(address)).replace("%EMAILLOCALPART%", address.local)
    user = user.replace("%EMAILDOMAIN%", address.domain)
    return user if user.isprintable() else ""


def _methods(server: "Element") -> tuple[SignIn, ...]:
    words = [(element.text or "").strip() for element in server.findall("authentication")[:10]]
    return tuple(dict.fromkeys(_METHODS[word] for word in words if word in _METHODS))

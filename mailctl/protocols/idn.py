"""Host names as DNS and certificates spell them: A-labels (IDNA 2008, RFC 5891)."""

from mailctl.domain.pattern import pattern
from mailctl.errors import NetworkError

_LABEL = pattern(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


def a_labels(host: str) -> str:
    """`host` (U- or A-labels, or an IP address) in lower-case A-labels; an IP address comes back unchanged.

    Raises NetworkError (cause dns_bad_name) for what can't be a host name. A final dot is dropped.
    """
    if ":" in host:
        return _ip_address(host)
    name = host.rstrip(".") if host.count("..") == 0 else host
    if not name.isascii():
        import idna

        try:
            name = idna.encode(name, uts46=True).decode()
        except idna.IDNAError as error:
            raise _bad(host) from error
    name = name.lower()
    if not name or len(name) > 253 or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise _bad(host)
    return name


def _ip_address(host: str) -> str:
    from ipaddress import IPv6Address

    try:
        IPv6Address(host)
    except ValueError:
        raise _bad(host) from None
    return host


def _bad(host: str) -> NetworkError:
    return NetworkError(
        f"{host!r} is not a host name", hint="Check the spelling of the server's name.", cause="dns_bad_name"
    )

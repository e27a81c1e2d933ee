"""What a server's certificate says, read from its DER whether or not it was found good.

The `ssl` module tells names and dates only of a certificate that it has verified; a diagnosis needs them most when it
was not.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

MOST_SENT = 10
"""Certificates of a chain that are read."""


def fingerprint(der: bytes) -> str:
    """SHA-256 of the certificate as 64 lower-case hex digits, as `CertificatePolicy.fingerprints` holds it."""
    from hashlib import sha256  # loads a library of its own, for what few connections need

    return sha256(der).hexdigest()


def certificate_facts(der: bytes) -> dict[str, object]:
    """Facts as JSON values: subject, issuer (RFC 4514 strings), names (DNS names and IP addresses of the
    subjectAltName), not_before, not_after (ISO 8601, UTC), days_left (negative: expired), key (`EC 256`), fingerprint.

    Of a certificate that can't be read, only the fingerprint and `unreadable: true`.
    """
    from cryptography import x509

    facts: dict[str, object] = {"fingerprint": fingerprint(der)}
    with _hostile(facts):
        leaf = x509.load_der_x509_certificate(der)
        facts |= {
            "subject": leaf.subject.rfc4514_string(),
            "issuer": leaf.issuer.rfc4514_string(),
            "names": _names(leaf),
            "not_before": leaf.not_valid_before_utc.isoformat(),
            "not_after": leaf.not_valid_after_utc.isoformat(),
            "days_left": int((leaf.not_valid_after_utc - datetime.now(UTC)) / timedelta(days=1)),
            "key": _key(leaf),
        }
    return facts


def chain_facts(chain: Sequence[bytes]) -> dict[str, object]:
    """Facts on the certificates that a server sent (DER, its own first), as JSON values.

    sent: how many. chain: subject and issuer of each, its own left out. issuer_url: whether its own tells where its
    issuer's certificate is to be had (authorityInfoAccess, RFC 5280 section 4.2.2.1), as public authorities do. clock:
    what this machine takes for the time (ISO 8601, UTC).
    """
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID

    facts: dict[str, object] = {
        "sent": len(chain),
        "clock": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with _hostile(facts), suppress(x509.ExtensionNotFound):
        facts["issuer_url"] = False
        leaf, *others = [x509.load_der_x509_certificate(der) for der in chain[:MOST_SENT]]
        facts["chain"] = [
            {"subject": each.subject.rfc4514_string(), "issuer": each.issuer.rfc4514_string()} for each in others
        ]
        access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
        facts["issuer_url"] = any(each.access_method == AuthorityInformationAccessOID.CA_ISSUERS for each in access)
    return facts


@contextmanager
def _hostile(facts: dict[str, object]) -> Iterator[None]:
    """Where the block meets hostile or merely odd DER, `facts` gets `unreadable: true` and what it has already."""
    from warnings import catch_warnings, simplefilter

    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.utils import CryptographyDeprecationWarning

    odd = (ValueError, OverflowError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion)
    try:
        with catch_warnings():  # of certificates that a later release will call unreadable
            simplefilter("ignore", CryptographyDeprecationWarning)
            yield
    except (*odd, x509.UnsupportedGeneralNameType, x509.AttributeNotFound):
        facts["unreadable"] = True


def _names(leaf: "x509.Certificate") -> list[str]:
    from ipaddress import IPv4Address, IPv6Address

    from cryptography import x509

    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    dns = names.get_values_for_type(x509.DNSName)
    addresses = names.get_values_for_type(x509.IPAddress)
    return [*dns, *(str(ip) for ip in addresses if isinstance(ip, IPv4Address | IPv6Address))][:100]


def _key(leaf: "x509.Certificate") -> str:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        key = leaf.public_key()
    except UnsupportedAlgorithm:
        return ""
    name = type(key).__name__.strip("_").removesuffix("PublicKey")
    return f"{name} {getattr(key, 'key_size', '')}".strip()


TYPE_CHECKING = False
if TYPE_CHECKING:
    from cryptography import x509

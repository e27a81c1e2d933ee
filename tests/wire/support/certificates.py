"""Certificates for every way in which one can be wrong, as contexts for a server."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
HERE: tuple[x509.GeneralName, ...] = (x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1")))
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()


class Certificates:
    """Makes them when first asked for, in `folder`. ca_file: the authority that tests trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = _issue("mailctl test authority", ec.generate_private_key(ec.SECP256R1()), authority=True)
        self.ca_file = str(folder / "ca.pem")
        Path(self.ca_file).write_bytes(self.ca.pem)

    @cached_property
    def good(self) -> Issued:
        return _issue("localhost", _key(), issuer=self.ca, names=HERE)

    @cached_property
    def expired(self) -> Issued:
        now = datetime.now(UTC)
        return _issue("localhost", _key(), issuer=self.ca, names=HERE, begin=now - 90 * DAY, end=now - 2 * DAY)

    @cached_property
    def not_yet_valid(self) -> Issued:
        now = datetime.now(UTC)
        return _issue("localhost", _key(), issuer=self.ca, names=HERE, begin=now + 10 * DAY, end=now + 90 * DAY)

    @cached_property
    def wrong_host(self) -> Issued:
        return _issue("localhost", _key(), issuer=self.ca, names=(x509.DNSName("other.example"),))

    @cached_property
    def common_name_only(self) -> Issued:
        return _issue("localhost", _key(), issuer=self.ca)

    @cached_property
    def self_signed(self) -> Issued:
        return _issue("localhost", _key(), names=HERE)

    @cached_property
    def untrusted(self) -> Issued:
        stranger = _issue("an authority nobody knows", _key(), authority=True)
        return _issue("localhost", _key(), issuer=stranger, names=HERE)

    @cached_property
    def weak_key(self) -> Issued:
        return _issue("localhost", rsa.generate_private_key(65537, 1024), issuer=self.ca, names=HERE)

    def server(self, issued: Issued, *, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """A server's context that shows `issued`; `newest` bounds the TLS version (old ones allowed then)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        if newest is not None:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = newest
        file = self.folder / f"{issued.fingerprint[:16]}.pem"
        if not file.exists():
            key = issued.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            file.write_bytes(issued.pem + key)
        context.load_cert_chain(file)
        return context


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _issue(
    name: str,
    key: Key,
    *,
    issuer: Issued | None = None,
    names: tuple[x509.GeneralName, ...] = (),
    begin: datetime | None = None,
    end: datetime | None = None,
    authority: bool = False,
) -> Issued:
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin or now - DAY)
        .not_valid_after(end or now + 300 * DAY)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Issued(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)

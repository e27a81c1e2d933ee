"""Certificates for the servers, good and bad in every way that clients must tell apart: `Certificates`."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

HOSTS = (
    *("localhost", "127.0.0.1", "127.0.0.2", "::1"),
    *(f"{prefix}mail.test" for prefix in ("", "imap.", "pop3.", "smtp.", "mx.", "autoconfig.")),
)
_DAY = dt.timedelta(days=1)
_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Certificate:
    """Two PEM files: the certificate (with its chain), and its key; and the SHA-256 of the certificate's DER form."""

    certificate: Path
    key: Path
    sha256: str


class Certificates:
    """All certificates, made when constructed, as PEM files in a folder.

    Attributes:
        ca: the path of the authority's certificate; it vouches for all but `self_signed`, `untrusted`, `intercepted`.
        good: for `HOSTS`, elliptic curve; `rsa`: the same, RSA 2048.
        expired, not_yet_valid, wrong_host (another.example), cn_only (no subjectAltName), self_signed, untrusted
        (another authority), weak_key (RSA 1024), intercepted (an antivirus program's root, which comes along),
        incomplete (an intermediate authority issued it, and is left out).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        authority = trustme.CA(organization_name="mailctl tests")
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        self._issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
        self._issuer_key = _private_key(authority)
        stranger = trustme.CA(organization_name="an authority nobody knows").issue_cert(*HOSTS)

        self.good = self._make("good")
        self.rsa = self._make("rsa", key=rsa.generate_private_key(65537, 2048))
        self.expired = self._make("expired", since=-90 * _DAY, until=-_DAY)
        self.not_yet_valid = self._make("not_yet_valid", since=10 * _DAY)
        self.wrong_host = self._make("wrong_host", hosts=("another.example",))
        self.cn_only = self._make("cn_only", hosts=())
        self.self_signed = self._make("self_signed", self_signed=True)
        self.weak_key = self._make("weak_key", key=rsa.generate_private_key(65537, 1024))
        chain = b"".join(blob.bytes() for blob in stranger.cert_chain_pems)
        self.untrusted = self._write("untrusted", chain, stranger.private_key_pem.bytes())
        scanner = trustme.CA(organization_name="Avast Antivirus", organization_unit_name="Avast Web/Mail Shield Root")
        scanned = scanner.issue_cert(*HOSTS)
        whole = scanned.cert_chain_pems[0].bytes() + scanner.cert_pem.bytes()
        self.intercepted = self._write("intercepted", whole, scanned.private_key_pem.bytes())
        between = authority.create_child_ca()
        self._issuer = x509.load_pem_x509_certificate(between.cert_pem.bytes())
        self._issuer_key = _private_key(between)
        self.incomplete = self._make("incomplete", issuer_url="http://authority.mail.test/between.der")

    def __getitem__(self, name: str) -> Certificate:
        """The certificate of that name, such as `certificates["expired"]`."""
        found = getattr(self, name)
        assert isinstance(found, Certificate)
        return found

    def _make(
        self,
        name: str,
        *,
        hosts: tuple[str, ...] = HOSTS,
        since: dt.timedelta = -_DAY,
        until: dt.timedelta = 365 * _DAY,
        key: _Key | None = None,
        self_signed: bool = False,
        issuer_url: str = "",
    ) -> Certificate:
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if self_signed else self._issuer.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + since)
            .not_valid_after(now + until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(list(map(_general_name, hosts))), critical=False
            )
        if issuer_url:
            method, where = AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(issuer_url)
            access = x509.AuthorityInformationAccess([x509.AccessDescription(method, where)])
            builder = builder.add_extension(access, critical=False)
        issuer_key = key if self_signed else self._issuer_key
        if not self_signed:
            known = self._issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)
            builder = builder.add_extension(identifier, critical=False)
        signed = builder.sign(issuer_key, hashes.SHA256())
        return self._write(
            name,
            signed.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )

    def _write(self, name: str, certificate: bytes, key: bytes) -> Certificate:
        paths = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        paths[0].write_bytes(certificate)
        paths[1].write_bytes(key)
        paths[1].chmod(0o644)  # servers read it under another account; it protects nothing
        digest = x509.load_pem_x509_certificate(certificate).fingerprint(hashes.SHA256())
        return Certificate(*paths, digest.hex())


def _private_key(authority: trustme.CA) -> _Key:
    key = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return key


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)

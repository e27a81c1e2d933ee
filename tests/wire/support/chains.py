"""Chains of certificates as servers send them: whole, cut short, with a private root; and who issued them."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from tests.servers.support.certificates import Certificate

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Chain:
    """A server's certificate under an intermediate authority under a root. root: PEM file, to be trusted or not."""

    root: Path
    alone: Certificate
    with_intermediate: Certificate
    with_root: Certificate


def make_chain(folder: Path, organization: str, host: str = "localhost", *, url: bool = True) -> Chain:
    """A chain whose authorities are of `organization`. url: whether the certificate tells where its issuer's is."""
    root = trustme.CA(organization_name=organization)
    between = trustme.CA(parent_cert=root, path_length=0, organization_name=organization)
    issuer = x509.load_pem_x509_certificate(between.cert_pem.bytes())
    issuer_key = serialization.load_pem_private_key(between.private_key_pem.bytes(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 90 * _DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    )
    if url:
        where = x509.UniformResourceIdentifier("http://authority.example/issuer.der")
        access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, where)
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    signed = builder.sign(issuer_key, hashes.SHA256())
    own = signed.public_bytes(serialization.Encoding.PEM)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "root.pem").write_bytes(root.cert_pem.bytes())
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )

    def sent(name: str, *others: bytes) -> Certificate:
        (folder / name).write_bytes(b"".join((own, *others)))
        return Certificate(folder / name, folder / "key.pem", signed.fingerprint(hashes.SHA256()).hex())

    middle = between.cert_pem.bytes()
    return Chain(
        folder / "root.pem",
        sent("alone.pem"),
        sent("with_intermediate.pem", middle),
        sent("with_root.pem", middle, root.cert_pem.bytes()),
    )

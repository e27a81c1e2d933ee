"""What is read of certificates, whoever made them: hostile ones are read as far as they go, and never more."""

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from mailctl.protocols.certificate import certificate_facts, chain_facts
from tests.servers.support.certificates import Certificates
from tests.wire.support.chains import make_chain


def der_of(pem: Path) -> list[bytes]:
    blocks = pem.read_text().split("-----END CERTIFICATE-----")[:-1]
    return [ssl.PEM_cert_to_DER_cert(f"{block.strip()}\n-----END CERTIFICATE-----\n") for block in blocks]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    made = make_chain(tmp_path_factory.mktemp("chain"), "Example Office")
    return der_of(made.with_root.certificate)


def test_a_chain_is_told_without_its_own_certificate(chain: list[bytes]) -> None:
    facts = chain_facts(chain)
    assert (facts["sent"], facts["issuer_url"]) == (3, True)
    told = facts["chain"]
    assert isinstance(told, list)
    assert [each["subject"] == each["issuer"] for each in told] == [False, True]


def test_an_extension_that_stands_twice_is_no_crash(certificates: Certificates) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = x509.load_der_x509_certificate(der_of(certificates.good.certificate)[0])
    builder = (
        x509.CertificateBuilder()
        .subject_name(leaf.subject)
        .issuer_name(leaf.issuer)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(leaf.not_valid_before_utc)
        .not_valid_after(leaf.not_valid_after_utc)
    )
    for last in (8, 9):
        odd = x509.UnrecognizedExtension(x509.ObjectIdentifier(f"1.2.3.4.5.{last}"), b"\x05\x00")
        builder = builder.add_extension(odd, critical=False)
    der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    twice = der.replace(b"\x2a\x03\x04\x05\x09", b"\x2a\x03\x04\x05\x08")
    assert twice != der
    assert certificate_facts(twice)["unreadable"] is True
    assert chain_facts([twice])["unreadable"] is True


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, 2))
@settings(max_examples=300, deadline=None)
def test_whatever_is_sent_is_read_or_called_unreadable(
    chain: list[bytes], changes: list[tuple[int, int]], which: int
) -> None:
    changed = bytearray(chain[which])
    for at, octet in changes:
        changed[at % len(changed)] = octet
    sent = [*chain[:which], bytes(changed), *chain[which + 1 :]]
    assert "fingerprint" in certificate_facts(bytes(changed))
    assert chain_facts(sent)["sent"] == 3

"""TLS: whom to believe (`CertificatePolicy`), the handshake, and what it taught."""

import os
import socket
import ssl
import sys
from collections.abc import Collection
from contextlib import suppress
from threading import get_ident
from weakref import WeakValueDictionary

from mailctl.domain.pattern import pattern
from mailctl.domain.record import dataclass
from mailctl.domain.server import CertificatePolicy
from mailctl.errors import ConfigError, TlsError
from mailctl.protocols.idn import a_labels
from mailctl.protocols.tls_stream import TlsStream

HANDSHAKE = 4.5
"""Seconds that a handshake may take: two round trips, so that even a bad line needs no more."""
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_LINK = pattern(r"[0-9a-f]{8}\.\d+")
UNVERIFIED = "The certificate is not checked (verification is switched off): anyone on the way could read along."


@dataclass(frozen=True, slots=True)
class Secured:
    """A connection inside TLS.

    der: the server's certificate. version: `TLSv1.3`. cipher: as OpenSSL names it. verified: whether the peer is known
    to be the right one, by its certificate's chain and name or by its fingerprint. trust: what it was judged by.
    """

    stream: TlsStream
    der: bytes
    version: str
    cipher: str
    verified: bool
    trust: ssl.SSLContext

    def facts(self) -> dict[str, object]:
        """tls_version, cipher and the facts of the certificate, as JSON values."""
        from mailctl.protocols.certificate import certificate_facts

        return {"tls_version": self.version, "cipher": self.cipher, **certificate_facts(self.der)}


def context(policy: CertificatePolicy) -> ssl.SSLContext:
    """A client context that believes whom `policy` says; never below TLS 1.2 (RFC 8997), never by the common name.

    Raises ConfigError if the policy's `ca_file` can't be read.
    """
    made = _trusting_nobody() if policy.fingerprints or not policy.verify else _system_trust()
    made.minimum_version = _VERSIONS[policy.minimum_tls]
    if made.verify_mode is not ssl.CERT_NONE:
        made.hostname_checks_common_name = False
        if policy.ca_file:
            try:
                made.load_verify_locations(cafile=policy.ca_file)
            except (OSError, ssl.SSLError) as error:
                raise ConfigError(
                    f"The file of trusted certificates {policy.ca_file} can't be read",
                    hint="It must hold certificates in PEM form.",
                    code="bad_ca_file",
                ) from error
    return made


_in_use: "WeakValueDictionary[tuple[object, ...], ssl.SSLContext]" = WeakValueDictionary()
"""Contexts of connections that are open: each holds a trust store of its own, most of a megabyte."""


def _shared(policy: CertificatePolicy) -> ssl.SSLContext:
    """The context of another connection that this thread made and that is open still, or a new one.

    Not another thread's: truststore's lets one handshake after the other in, and a server may stall.
    """
    file = None
    if policy.ca_file:
        with suppress(OSError):  # `context` says it
            status = os.stat(policy.ca_file)
            file = (status.st_ino, status.st_mtime_ns)
    key = (get_ident(), policy, file)
    made = _in_use.get(key)
    if made is None:
        _in_use[key] = made = context(policy)
    return made


def handshake(connection: socket.socket, host: str, policy: CertificatePolicy, seconds: float | None) -> Secured:
    """Speak TLS on `connection`, within `seconds` and within `HANDSHAKE`; closes it when that fails.

    Raises TlsError with the cause, for a certificate too that is not one of the policy's fingerprints.
    """
    try:
        trust = _shared(policy)
        name = a_labels(host).encode("ascii")  # as octets, since the codec for text takes a while to load
        stream = TlsStream(connection, trust, name)
        stream.handshake(HANDSHAKE if seconds is None else min(seconds, HANDSHAKE))
    except (OSError, ssl.SSLError) as error:
        connection.close()
        from mailctl.protocols.tls_faults import failure

        raise failure(host, error, {}) from error
    der = stream.tls.getpeercert(binary_form=True) or b""
    if policy.fingerprints:
        try:
            _check_pinned(host, der, policy.fingerprints)
        except TlsError:
            connection.close()
            raise
    cipher = (stream.tls.cipher() or ("",))[0]
    return Secured(stream, der, stream.tls.version() or "", cipher, policy.verify or bool(policy.fingerprints), trust)


def _check_pinned(host: str, der: bytes, pinned: Collection[str]) -> None:
    from mailctl.protocols.certificate import certificate_facts, fingerprint

    if fingerprint(der) not in pinned:
        raise TlsError(
            f"The certificate of {host} is not one of those pinned for it",
            hint="If the server has a new certificate, compare its fingerprint and set it anew.",
            cause="tls_verify_failed",
            detail=certificate_facts(der),
        )


def unverified(connection: socket.socket, host: str, seconds: float) -> ssl.SSLSocket | None:
    """TLS with whoever is there, in any version; None, and `connection` closed, if there is none within `seconds`.

    For diagnosis only: nothing may be sent on it and nothing it says is believed.
    """
    made = _trusting_nobody()
    made.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    made.set_ciphers("ALL:@SECLEVEL=0")
    try:
        connection.settimeout(seconds)
        return made.wrap_socket(connection, server_hostname=a_labels(host))
    except (OSError, ssl.SSLError):
        connection.close()
        return None


def agreed_version(connection: socket.socket, host: str, seconds: float) -> str:
    """The TLS version that a server agrees to when any will do, such as `TLSv1`; "" if there is no TLS.

    Closes `connection`. For diagnosis only, as `unverified`.
    """
    seen = unverified(connection, host, seconds)
    if seen is None:
        return ""
    with seen:
        return seen.version() or ""


def look(connection: socket.socket, host: str, seconds: float) -> tuple[bytes, ...]:
    """The certificates (DER) that a server sends, its own first, whoever vouches for them; none if there is no TLS.

    Closes `connection`. For diagnosis only, as `unverified`.
    """
    seen = unverified(connection, host, seconds)
    if seen is None:
        return ()
    with seen:
        own = seen.getpeercert(binary_form=True)
        # public from Python 3.13 on; before, the same is there under the private object, or only the first is known
        chain = getattr(seen, "get_unverified_chain", None)
        if chain is not None:
            return tuple(chain())
        chain = getattr(getattr(seen, "_sslobj", None), "get_unverified_chain", None)
        sent = tuple(ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in (chain() if chain else None) or ())
        return sent or ((own,) if own else ())


def _trusting_nobody() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def _system_trust() -> ssl.SSLContext:
    """Verifies by the system's trust store; by OpenSSL's defaults where truststore does not work (PyPy, odd builds).

    Where the system keeps that store as a directory of certificates by hash, too, only what a handshake needs is read
    from it: reading all of it takes longer than all else in a sync that finds nothing new.
    """
    directory = _by_hash()
    if directory:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.load_verify_locations(capath=directory)
        return made
    try:
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    except (ImportError, NotImplementedError):
        return ssl.create_default_context()


def _by_hash() -> str:
    """The directory that update-ca-certificates (Debian, Alpine and others) keeps, if OpenSSL's is that; else "".

    One run of it writes both the bundle and a link by hash (`openssl rehash`) to each certificate that is in it.
    """
    usual = ssl.get_default_verify_paths()
    if sys.platform != "linux" or os.environ.keys() & {usual.openssl_cafile_env, usual.openssl_capath_env}:
        return ""
    try:
        names = os.listdir(usual.capath or "")
    except OSError:
        return ""
    links = sum(_LINK.fullmatch(name) is not None for name in names)
    complete = "ca-certificates.crt" in names and links >= sum(name.endswith(".pem") for name in names) > 0
    return usual.capath if complete and usual.capath else ""

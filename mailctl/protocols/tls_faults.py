"""From an error of the TLS library to the cause of the failure knowledge and one sentence."""

import ssl
from collections.abc import Mapping

from mailctl.errors import TlsError

LONGEST = 160
"""Characters that are told of each thing that a certificate says."""
_BY_VERIFY_CODE = {
    2: "tls_unknown_issuer",
    9: "tls_clock",
    10: "tls_expired",
    18: "tls_self_signed",
    19: "tls_intercepted",
    20: "tls_unknown_issuer",
    21: "tls_unknown_issuer",
    62: "tls_hostname_mismatch",
    64: "tls_hostname_mismatch",
    66: "tls_weak_certificate",
    67: "tls_weak_certificate",
    68: "tls_weak_certificate",
}
"""X509_V_ERR_* of OpenSSL's x509_vfy.h."""
_BY_REASON = (
    ("tls_on_plain_port", ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST")),
    ("tls_protocol_version", ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION", "NO_PROTOCOLS")),
    ("tls_weak_certificate", ("KEY_TOO_SMALL", "MD_TOO_WEAK")),
    ("tls_legacy_renegotiation", ("UNSAFE_LEGACY_RENEGOTIATION",)),
    ("tls_sni", ("UNRECOGNIZED_NAME", "ALERT_INTERNAL_ERROR")),
    ("tls_eof", ("UNEXPECTED_EOF",)),
    ("tls_corrupted", ("BAD_DECRYPT", "BAD_RECORD_MAC", "BAD_RECORD")),
    ("tls_handshake_refused", ("ALERT", "NO_SHARED_CIPHER", "NO_CIPHERS", "HANDSHAKE_FAILURE")),
)
"""Parts of OpenSSL's reason names, the first that fits."""
_DH_TOO_SMALL = "DH_KEY_TOO_SMALL"
_MESSAGES = {
    "tls_expired": "The certificate of {host} expired{on_end}",
    "tls_clock": "The certificate of {host} is not valid yet{until_begin}",
    "tls_hostname_mismatch": "The certificate of {host} is for another name{names}",
    "tls_self_signed": "{host} presents a self-signed certificate that nothing here vouches for",
    "tls_intercepted": "The certificate of {host} ends in a root that this machine does not trust{issuer}",
    "tls_unknown_issuer": "The certificate of {host} is from an issuer that this machine does not know{issuer}",
    "tls_weak_certificate": "The certificate of {host} has too weak a key or signature",
    "tls_verify_failed": "The certificate of {host} was not accepted",
    "tls_on_plain_port": "{host} answers in plain text where TLS was expected",
    "tls_protocol_version": "{host} offers no TLS version that mailctl accepts",
    "tls_weak_dh": "{host} offers a key exchange that is too weak",
    "tls_legacy_renegotiation": "{host} renegotiates TLS in the old, unsafe way",
    "tls_sni": "{host} does not know itself by that name",
    "tls_eof": "{host} cut the connection during the TLS handshake",
    "tls_corrupted": "The encrypted connection to {host} was damaged on its way",
    "tls_handshake_refused": "{host} refused the TLS handshake",
    "tls_handshake_timeout": "{host} does not answer the TLS handshake",
}


def cause_of(error: OSError) -> str:
    """The cause that an error raised by a handshake, or by reading and writing inside TLS, tells."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _BY_VERIFY_CODE.get(error.verify_code, "tls_verify_failed")
    if isinstance(error, TimeoutError):
        return "tls_handshake_timeout"
    reason = (getattr(error, "reason", None) or str(error)).upper().replace(" ", "_")
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "tls_eof"
    if _DH_TOO_SMALL in reason:
        return "tls_weak_dh"
    for cause, parts in _BY_REASON:
        if any(part in reason for part in parts):
            return cause
    return "tls_handshake_refused"


def too_old(host: str, version: str, detail: Mapping[str, object]) -> TlsError:
    """The TlsError for a server that agrees to `version` at best."""
    message = f"{host} offers {version} at most, which mailctl does not accept"
    return TlsError(message, cause="tls_protocol_version", detail={**detail, "offered": version})


def failure(host: str, error: OSError, facts: Mapping[str, object]) -> TlsError:
    """The TlsError for `error`. facts: of the certificate (see `certificate_facts`), {} if none was seen."""
    cause = cause_of(error)
    names = facts.get("names")
    listed = ", ".join(str(name)[:LONGEST] for name in names[:5]) if isinstance(names, list) and names else ""
    message = _MESSAGES[cause].format(
        host=host,
        on_end=f" on {str(facts['not_after'])[:10]}" if "not_after" in facts else "",
        until_begin=f", only from {str(facts['not_before'])[:10]} on" if "not_before" in facts else "",
        names=f" ({listed})" if listed else "",
        issuer=f" ({str(facts['issuer'])[:LONGEST]})" if facts.get("issuer") else "",
    )
    if cause == "tls_hostname_mismatch" and names == []:  # a common name alone is none (RFC 9525, section 2)
        message = f"The certificate of {host} holds no host name (no subjectAltName; a common name doesn't count)"
    return TlsError(message, cause=cause, detail={**facts, "library": str(error)})

"""TLS contexts for scripted servers."""

import ssl
import warnings

from tests.servers.support.certificates import Certificate


def server_context(certificate: Certificate, *, newest: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A server's context that shows `certificate`; `newest` bounds the TLS version, old ones are allowed then."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    if newest is not None:
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with warnings.catch_warnings():  # old versions are what is tried here
            warnings.simplefilter("ignore", DeprecationWarning)
            context.maximum_version = newest
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context

"""Which TLS library the protocols use."""


def tls_library() -> str:
    """`OpenSSL 3.0.17 1 Jul 2025`, as it calls itself."""
    import ssl

    return ssl.OPENSSL_VERSION

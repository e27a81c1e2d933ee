"""JWE (RFC 7516) by joserfc, as the encrypted file needs it: data under a data key, and that under a key of a person's.

Whatever is wrong with what is opened, or with the key, is a ValueError.
"""

import json
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any

from mailctl.domain.secret import Secret
from mailctl.errors import SecretError

if TYPE_CHECKING:
    from joserfc.jwe import JWERegistry
    from joserfc.jwk import OctKey

ITERATIONS = 300_000
"""Of PBKDF2 with SHA-512, where 210,000 are advised (OWASP Password Storage Cheat Sheet); some 0.2 s. As many as the
library lets anybody ask of it."""
MOST_BYTES = 16 << 20
PASSPHRASE, RANDOM, _DIRECT, _CONTENT = "PBES2-HS512+A256KW", "A256KW", "dir", "A256GCM"


def new_key() -> str:
    """A random key of 256 bits as a JWK (RFC 7517, `kty` oct) on one line."""
    from joserfc.jwk import OctKey

    return json.dumps(OctKey.generate_key(256, private=True).as_dict(private=True), sort_keys=True)


def kind_of(key: Secret) -> str:
    """The algorithm (JWA, RFC 7518 section 4) that a key is for: RANDOM for a JWK, else PASSPHRASE."""
    return _jose(key)[0]


def wrap(data_key: bytes, key: Secret) -> str:
    """A JWE of `data_key` under a passphrase or a JWK."""
    algorithm, jose_key = _jose(key)
    return _seal(data_key, jose_key, {"alg": algorithm, **({"p2c": ITERATIONS} if algorithm == PASSPHRASE else {})})


def unwrap(envelope: str, key: Secret) -> bytes:
    """What `wrap` was given; ValueError with another key."""
    algorithm, jose_key = _jose(key)
    return _open(envelope, jose_key, algorithm)


def seal(plain: bytes, data_key: bytes) -> str:
    """A JWE of `plain` under `data_key` itself."""
    return _seal(plain, _oct(data_key), {"alg": _DIRECT})


def unseal(text: str, data_key: bytes) -> bytes:
    """What `seal` was given."""
    return _open(text, _oct(data_key), _DIRECT)


def algorithm_of(text: str) -> str:
    """What a JWE's protected header says, "" where nothing can be read."""
    try:
        head = text.partition(".")[0]
        found = json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except ValueError:
        return ""
    return str(found.get("alg", "")) if isinstance(found, dict) else ""


def _jose(key: Secret) -> tuple[str, "OctKey"]:
    """A key's algorithm, and the key: what begins with `{` is a JWK, all else a passphrase. SecretError."""
    from unicodedata import normalize

    text = key.reveal()
    if not text.startswith("{"):
        # composed, so that it is the same whichever system it was typed on
        return PASSPHRASE, _oct(normalize("NFC", text).encode())
    try:
        return RANDOM, _of_jwk(json.loads(text))
    except (ValueError, RecursionError):  # never taken for a passphrase: the first line of a JWK on several is "{"
        raise SecretError(
            "The key of the encrypted file is not a JWK of 256 bits on one line, although it begins with '{'",
            hint="`mailctl secrets key FILE` makes one. A passphrase begins with another character.",
            code="secrets_key_invalid",
        ) from None


def _oct(raw: bytes) -> "OctKey":
    """The key as it is: `import_key` finds passphrases short, and takes some for keys of other kinds."""
    from joserfc.jwk import OctKey

    return OctKey(raw, raw)


def _of_jwk(jwk: Any) -> "OctKey":
    """RFC 7518 section 6.4; ValueError unless it is symmetric and has 256 bits."""
    if not isinstance(jwk, dict) or jwk.get("kty") != "oct":
        raise ValueError("not a symmetric key")
    raw = urlsafe_b64decode(str(jwk.get("k", "")) + "=")
    if len(raw) != 32:
        raise ValueError("not a key of 256 bits")
    return _oct(raw)


def _seal(plain: bytes, key: "OctKey", header: dict[str, Any]) -> str:
    from joserfc.jwe import encrypt_compact

    return encrypt_compact({**header, "enc": _CONTENT}, plain, key, registry=_registry(header["alg"]))


def _open(text: str, key: "OctKey", algorithm: str) -> bytes:
    """What a JWE holds. Another algorithm than the one expected is refused."""
    from joserfc.errors import JoseError, SecurityWarning
    from joserfc.jwe import decrypt_compact

    try:
        found = decrypt_compact(text, key, registry=_registry(algorithm)).plaintext
    except (JoseError, SecurityWarning, AssertionError, LookupError, TypeError, RecursionError) as error:
        raise ValueError("not opened") from error
    if found is None:
        raise ValueError("nothing in it")
    return found


def _registry(algorithm: str) -> "JWERegistry":
    from joserfc.jwe import JWERegistry

    registry = JWERegistry(algorithms=[algorithm, _CONTENT])
    registry.max_ciphertext_length = MOST_BYTES
    return registry

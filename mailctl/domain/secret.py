"""The type in which passwords and tokens travel, and the mask for text that might quote one."""

import hmac
from typing import NoReturn

MASK = "***"
_seen: list["Secret"] = []  # every secret of this process, so that text shown to people can be masked


class Secret:
    """A password or token. Shows `***` in repr, str and format; can't be pickled, hashed or written as JSON.

    `reveal()` gives the value; only an adapter that puts it on the wire or into a keyring calls it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        if value:
            _seen.append(self)

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]  # a secret is no key

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret can't be pickled")


def mask(text: str) -> str:
    """`text` with every secret of this process, in the forms in which it may be quoted, replaced by `***`.

    The last net under tracebacks, traces and reports; secrets are kept out of them in the first place.
    """
    for form in sorted({form for secret in _seen for form in _forms(secret.reveal())}, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text


def _forms(value: str) -> set[str]:
    """The spellings of `value` that software quotes: raw, repr, JSON, base64, hex, percent-encoded."""
    import base64
    import json
    from urllib.parse import quote, quote_plus

    if len(value) < 3:  # masking one or two letters would only garble the text
        return set()
    raw = value.encode("utf-8", "surrogatepass")
    return {
        value,
        repr(value)[1:-1],
        repr(raw)[2:-1],
        json.dumps(value)[1:-1],
        base64.b64encode(raw).decode(),
        base64.b64encode(raw).decode().rstrip("="),
        raw.hex(),
        quote(value, safe="", errors="surrogatepass"),
        quote_plus(value, errors="surrogatepass"),
        value.replace("\\", "\\\\").replace('"', '\\"'),
    }

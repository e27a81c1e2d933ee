"""The type in which passwords and tokens travel, and the mask for text that might quote one."""

from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, NoReturn

from mailctl.errors import SecretError

if TYPE_CHECKING:
    import re

MASK = "***"
MAX_SECRET = 64 * 1024
"""Longest secret in characters: far above any token, far below what could fill the memory."""

LONG = 100
"""Characters from which a secret is a token, or holds one: there is a new one every hour."""
MOST_LONG = 1 << 19
"""Characters of long secrets that are known at a time; the ones that turned up least lately are forgotten."""

_seen: dict[str, frozenset[str]] = {}  # the secrets of this process with their spellings, so that text can be masked
_long = 0  # characters of the long ones among them
_fresh: list[str] = []  # those of which the spellings are not made yet: nothing was masked since
_masked: tuple[str, ...] = ()  # their spellings, longest first; made anew when a secret was added
_unlike_words: tuple[str, ...] = ()  # the same of those that can't be mistaken for a word
_lock = Lock()
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"})
"""As `html.escape`, which would load 2,231 names of characters."""


class Secret:
    """A password or token. Shows `***` in repr, str and format; can't be pickled, copied, hashed or written as JSON.

    `reveal()` gives the value; only an adapter that puts it on the wire or into a keyring calls it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"a secret is text, not {type(value).__name__}")
        self._value = value
        if value and (value not in _seen or len(value) > LONG):
            _remember(value)

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
        import hmac  # loads OpenSSL, which costs more than all else here

        return isinstance(other, Secret) and hmac.compare_digest(_bytes(self._value), _bytes(other._value))

    __hash__ = None  # type: ignore[assignment]  # a secret is no key

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret can't be pickled")


class BearerToken(Secret):
    """An OAuth access token (RFC 6750): goes over the wire by mechanisms of its own, never as a password.

    facts: what is known of it, in the words of the failure knowledge. warnings: sentences on what will end its sign-in.
    mechanisms: those preferred to carry it, the best first.
    """

    __slots__ = ("facts", "mechanisms", "warnings")

    def __init__(
        self,
        value: str,
        facts: Iterable[str] = (),
        warnings: Iterable[str] = (),
        mechanisms: Iterable[str] = (),
    ) -> None:
        super().__init__(value)
        self.facts, self.warnings, self.mechanisms = frozenset(facts), tuple(warnings), tuple(mechanisms)

    @property
    def digest(self) -> str:
        """Tells it from other tokens, and nobody what it is: sixteen hex digits."""
        from hashlib import sha256

        return sha256(_bytes(self._value)).hexdigest()[:16]


def accept(value: str, where: str, what: str = "password") -> Secret:
    """`value` as a Secret; SecretError (secret_invalid) if it can't be anybody's password.

    where: what it came from, for the message ("the variable X"). what: what it is called there.
    """
    fault = ""
    if not value:
        fault = "is empty"
    elif len(value) > MAX_SECRET:
        fault = f"is longer than {MAX_SECRET} characters"
    elif "\0" in value:
        fault = "holds a NUL character, which no mail protocol can carry"
    elif any("\ud800" <= character <= "\udfff" for character in value):
        fault = "is not valid UTF-8"
    if fault:
        raise SecretError(f"The {what} from {where} {fault}", code="secret_invalid")
    return Secret(value)


def mask(text: str) -> str:
    """`text` from outside with every secret of this process, in the forms in which it may be quoted, as `***`.

    The last net under tracebacks, traces and reports; secrets are kept out of them in the first place.
    """
    _spell()
    return _mask(text, _masked)


def mask_own(text: str) -> str:
    """Like `mask`, for mailctl's own sentences and values: a secret that is a plain word is left alone in them.

    Masking the word `wrong` in a sentence of ours would tell everybody that it is the password.
    """
    _spell()
    return _mask(text, _unlike_words)


def mask_within(value: Any, how: Callable[[str], str] = mask) -> Any:
    """`value` (JSON values, tuples too) with secrets in its texts masked; keys, numbers and its shape stay."""
    match value:
        case str():
            return how(value)
        case list() | tuple():
            return [mask_within(item, how) for item in value]
        case Mapping():
            return {key: mask_within(item, how) for key, item in value.items()}
    return value


def _mask(text: str, forms: tuple[str, ...]) -> str:
    for form in forms:
        if form in text:
            text = text.replace(form, MASK)
    return text


def is_secret(text: str) -> bool:
    """Whether `text` is exactly a secret that this process has handled."""
    return text in _seen


def stands_in(secrets: Mapping[str, Secret], text: str) -> list[str]:
    """The names of the `secrets` that are in `text`, in any of the forms in which software or people quote one."""
    undone, unspaced = _undone(text), "".join(text.split())
    return [
        name
        for name, secret in secrets.items()
        if any(form in text for form in _forms(secret.reveal()))
        or (len(secret.reveal()) > 2 and any(secret.reveal() in each for each in undone))
        or (not like_a_word(secret) and "".join(secret.reveal().split()) in unspaced)  # in groups, as app passwords are
    ]


def _undone(text: str) -> set[str]:
    """`text` as those read it who undo percent-encoding, HTML's references or quoted-printable; where that differs."""
    import re
    from html import unescape
    from urllib.parse import unquote, unquote_plus

    def undo(match: "re.Match[str]") -> str:
        return bytes.fromhex(match[0].replace("=", "")).decode("utf-8", "replace")

    found = {unquote(text), unquote_plus(text), unescape(text)}
    found |= {re.sub("(?:=[0-9A-Fa-f]{2})+", undo, each) for each in (text, text.replace("_", " "))}
    return found - {text}


def like_a_word(secret: Secret) -> bool:
    """Whether `secret` could stand in a text without anybody having put it there: it is short, or all letters."""
    return _like_a_word(secret.reveal())


def _like_a_word(value: str) -> bool:
    return len(value) < 8 or (value.isalpha() and len(value) < 16)


def _remember(value: str) -> None:
    global _long
    with _lock:
        forms = _seen.pop(value, None)
        _seen[value] = forms or frozenset()
        if forms is not None:
            return  # it only turned up again
        _fresh.append(value)
        _long += len(value) if len(value) > LONG else 0
        if _long > MOST_LONG:
            _forget()


def _forget() -> None:
    """Let go of the long secrets that turned up least lately, down to half of what may be known."""
    global _long
    for old in [each for each in _seen if len(each) > LONG]:
        if _long <= MOST_LONG // 2:
            return
        del _seen[old]
        _long -= len(old)


def _spell() -> None:
    """Make the spellings of new secrets."""
    global _masked, _unlike_words
    if not _fresh:
        return
    with _lock:
        for value in _fresh:
            if value in _seen:
                _seen[value] = frozenset(_forms(value))
        _fresh.clear()
        _masked = _longest_first(_seen)
        _unlike_words = _longest_first(value for value in _seen if not _like_a_word(value))


def _longest_first(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({form for value in values for form in _seen[value]}, key=len, reverse=True))


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def _forms(value: str) -> set[str]:
    """The spellings of `value` that software quotes.

    Raw, repr, JSON, HTML, base64, hex, percent-encoded, quoted-printable.
    """
    if len(value) < 3:  # masking one or two letters would only garble the text
        return set()
    found = _spellings(value)
    if not value.isascii():  # SASLprep (RFC 4013) sends it composed
        from unicodedata import normalize

        for composed in {normalize("NFC", value), normalize("NFKC", value)} - {value}:
            found |= _spellings(composed)
    return found


def _spellings(value: str) -> set[str]:
    import json
    from urllib.parse import quote, quote_plus

    raw = _bytes(value)
    percent = quote(value, safe="", errors="surrogatepass")
    plus = quote_plus(value, errors="surrogatepass")
    return {
        value,
        repr(value)[1:-1],
        repr(raw)[2:-1],
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        value.replace("\\", "\\\\").replace('"', '\\"'),
        value.translate(_HTML),
        percent,
        quote(value, errors="surrogatepass"),
        plus,
        _lower_escapes(percent),
        _lower_escapes(plus),
        *_quoted_printable(raw),
        raw.hex(),
        raw.hex().upper(),
        raw.hex(" "),
        raw.hex(":"),
        raw.hex(" ").upper(),
        raw.hex(":").upper(),
        *_base64_forms(raw),
    }


def _quoted_printable(raw: bytes) -> set[str]:
    """RFC 2045 section 6.7, as one line; and the `_` of RFC 2047 section 4.2 for the space."""
    from binascii import b2a_qp

    found = set()
    for whole in (b2a_qp(raw, quotetabs=True, istext=False), b2a_qp(raw, header=True, istext=False)):
        found.add(whole.replace(b"=\n", b"").decode("ascii", "replace"))
    return found


def _lower_escapes(percent: str) -> str:
    """`%C3%BC` → `%c3%bc`; letters outside the escapes stay."""
    head, *rest = percent.split("%")
    return head + "".join(f"%{part[:2].lower()}{part[2:]}" for part in rest)


def _base64_forms(raw: bytes) -> set[str]:
    """Base64 of `raw`, plain and URL-safe, alone and inside something longer (SASL PLAIN is `\\0user\\0password`).

    Inside, the first and last character may also hold bits of the neighbours; the ones between depend on `raw` alone.
    """
    from base64 import b64encode

    found = set()
    for lead in range(3):
        text = b64encode(b"\0" * lead + raw).decode()
        first = (0, 2, 3)[lead]
        last = len(text.rstrip("="))
        if (lead + len(raw)) % 3:
            last -= 1
        inner = text[first:last]
        if len(inner) >= 6:  # shorter ones occur by chance
            found.add(inner)
    whole = b64encode(raw).decode()
    found |= {whole, whole.rstrip("=")}
    return found | {form.replace("+", "-").replace("/", "_") for form in found}

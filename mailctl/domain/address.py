"""E-mail addresses as mailctl needs them: a local part and a domain, checked and bounded (RFC 5321 section 4.5.3.1)."""

from typing import NamedTuple

from mailctl.domain.pattern import pattern
from mailctl.errors import UsageError

_ATOMS = pattern(r"[^\s\x00-\x20\x7f<>()\[\],;:\\\"@]+")
_LABEL = pattern(r"(?!-)(?:[a-z0-9-]|[^\x00-\x7f\s]){1,63}(?<!-)")
"""Shape only: letters, digits, hyphens, and whatever isn't ASCII, marks of Indic scripts too."""


class Address(NamedTuple):
    """An address as typed, domain in lower case; `str()` joins it again. The domain may be Unicode (U-labels)."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


def parse_address(text: str) -> Address:
    """Parse `local@domain`. Raises UsageError with one clear sentence for anything else.

    The domain is only checked for shape here; `protocols` turns it into A-labels (IDNA 2008) when it is looked up.
    """
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        raise UsageError(f"{text!r} is not an e-mail address", hint="It has the form name@domain.", code="bad_address")
    odd = False
    if not text.isascii():
        import unicodedata

        domain = unicodedata.normalize("NFC", domain)
        odd = any(unicodedata.category(c).startswith("C") for c in text)
    domain = domain.rstrip(".").lower()
    labels = domain.split(".")
    if odd or not _ATOMS.fullmatch(local):
        raise UsageError(f"The part before @ in {text!r} has characters that no mailbox name has", code="bad_address")
    if len(local.encode()) > 64 or len(domain.encode()) > 255:
        raise UsageError("That e-mail address is longer than the standards allow", code="bad_address")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise UsageError(f"The domain in {text!r} is not a domain name", code="bad_address")
    return Address(local, domain)

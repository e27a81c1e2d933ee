"""The one sanitiser: whatever a server, a message or a file said passes here before a person sees it.

Control characters, escape sequences, bidi overrides, zero-width and tag characters and lone surrogates become visible
escapes such as `\\x1b` and `\\u202e`; everything else stays as it is.
"""

import re

from mailctl.domain.pattern import pattern

UNSAFE = pattern(
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u115f-\u1160\u180e\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff\ufdd0-\ufdef\ufeff\uffa0\ufff9-\ufffb\ufffe-\uffff"
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    + "".join(f"{chr(plane * 0x10000 + 0xFFFE)}-{chr(plane * 0x10000 + 0xFFFF)}" for plane in range(1, 17))
    + "]"
)
"""Characters of categories Cc, Cf, Cs, Zl and Zp, noncharacters, and letters that show as nothing."""


def visible(text: str) -> str:
    """`text` with every character of `UNSAFE` as an escape of ASCII letters; one line in, one line out."""
    if text.isascii() and text.isprintable():  # as most is: compiling the pattern takes a millisecond
        return text
    return UNSAFE.sub(_escape, text)


def _escape(match: "re.Match[str]") -> str:
    code = ord(match[0])
    if match[0] in "\t\r\n":
        return {"\t": "\\t", "\r": "\\r", "\n": "\\n"}[match[0]]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

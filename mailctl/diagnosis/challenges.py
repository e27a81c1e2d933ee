"""Refusals of tokens in a pasted text: base64 that holds JSON (RFC 7628 section 3.2.2), made readable beside itself."""

import json
from base64 import b64decode
from binascii import Error as Base64Error

from mailctl.domain.pattern import pattern

_CHALLENGE = pattern(r"(?<![\w.+/=-])eyJ[A-Za-z0-9+/]{8,4000}={0,2}(?![\w.+/=-])")
"""`{"` in base64, and no part of a JWT, which has dots."""
_MOST = 50
_TOLD = ("status", "error")
_LONGEST = 500


def read_challenges(text: str) -> str:
    """`text` with what each refusal in it says written behind it; other base64 stays as it is."""
    return _CHALLENGE.sub(lambda found: f"{found[0]} {told}" if (told := _told(found[0])) else found[0], text, _MOST)


def _told(challenge: str) -> str:
    """What the refusal says, on one line; "" if it is none."""
    try:
        found = json.loads(b64decode(challenge, validate=True))
    except (ValueError, Base64Error, RecursionError):
        return ""
    if not isinstance(found, dict) or not any(isinstance(found.get(key), str | int) for key in _TOLD):
        return ""
    kept = {key: value[:_LONGEST] for key, value in found.items() if isinstance(value, str)}
    return json.dumps(kept)[: 2 * _LONGEST]

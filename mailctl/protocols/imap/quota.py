"""QUOTA responses (RFC 9208): how full a mailbox is."""

import re
from collections.abc import Iterable, Sequence

from mailctl.domain.pattern import pattern
from mailctl.errors import ProtocolError
from mailctl.protocols.imap.tokens import number, parse_values

_QUOTA = pattern(rb"\* QUOTA ", re.IGNORECASE)
_UNITS = {b"STORAGE": 1024, b"MESSAGE": 1}
"""STORAGE counts in units of 1,024 octets (RFC 9208 section 5.1)."""


def parse_quota(responses: Iterable[Sequence[bytes]], resource: bytes = b"STORAGE") -> dict[str, int] | None:
    """`used` and `limit` of the fullest quota on `resource` among `responses`; None if there is none.

    In octets for STORAGE, in messages for MESSAGE. A mailbox may have several roots, each with a limit that new mail
    has to keep (RFC 9208 section 3.2).
    """
    unit = _UNITS[resource]
    fullest: dict[str, int] | None = None
    for parts in responses:
        prefix = _QUOTA.match(parts[0])
        if not prefix:
            continue
        try:
            values = parse_values(parts, prefix.end())
            resources = values[1] if len(values) == 2 and isinstance(values[1], list) else []
            for name, used, limit in zip(resources[::3], resources[1::3], resources[2::3], strict=False):
                if isinstance(name, bytes) and name.upper() == resource:
                    found = {"used": number(used) * unit, "limit": number(limit) * unit}
                    fullest = found if fullest is None or _fuller(found, fullest) else fullest
        except ProtocolError:
            continue  # evidence, not needed
    return fullest


def _fuller(one: dict[str, int], other: dict[str, int]) -> bool:
    """Whether less room is left in `one`, by its share; a limit of 0 is none to many servers."""
    if not (one["limit"] and other["limit"]):
        return one["limit"] > 0
    return one["used"] * other["limit"] > other["used"] * one["limit"]

"""The commands that were sent and are not answered yet, by their tags (RFC 9051 section 2.2.1)."""

import os
from collections.abc import Sequence

IN_FLIGHT = 4096
"""Octets of commands that wait at the server while it is busy answering: it may be unable to take more, and so we."""


class InFlight:
    """Tags are given in order and never again. prefix: what all of them begin with, different on each connection."""

    def __init__(self) -> None:
        self.prefix = bytes(ord("A") + octet % 26 for octet in os.urandom(4))
        self._number = 0
        self._octets: dict[bytes, int] = {}

    def __contains__(self, tag: bytes) -> bool:
        return tag in self._octets

    def __bool__(self) -> bool:
        return bool(self._octets)

    def begin(self, commands: Sequence[bytes]) -> list[bytes]:
        """New tags for `commands`, in their order."""
        tags = [b"%s%d" % (self.prefix, self._number + place) for place in range(1, len(commands) + 1)]
        self._number += len(tags)
        self._octets.update((tag, len(command)) for tag, command in zip(tags, commands, strict=True))
        return tags

    def end(self, tag: bytes) -> None:
        """The command was answered."""
        del self._octets[tag]

    def room(self, octets: int) -> bool:
        """Whether commands of so many octets can be sent before the server has answered what it was sent."""
        return sum(self._octets.values()) + octets <= IN_FLIGHT

    def overtook(self, tag: bytes) -> bool:
        """Whether a command that was given before the one of `tag` is still unanswered."""
        own = self._place(tag)
        return any(self._place(other) < own for other in self._octets)

    def _place(self, tag: bytes) -> int:
        return int(tag[len(self.prefix) :])

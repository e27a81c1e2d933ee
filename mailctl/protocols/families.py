"""IPv4 and IPv6 of one host tried apart: the connection of a check tells only of the family that won the race."""

import socket
from collections.abc import Mapping, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic

from mailctl.domain.deadline import Deadline
from mailctl.errors import NetworkError
from mailctl.protocols.dial import dial
from mailctl.protocols.resolve import Address

WAIT = 0.5
"""Seconds after the first family answered that the other is given at least; mostly they pass beside the check."""
LONGEST = 3.0
"""Seconds after which the other family is waited for no more: the first repetition of a lost packet is in it."""
MOST = 2
"""Addresses of the other family that are tried."""
NAMES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}


class OtherFamily:
    """The family that did not win, tried beside the check; what comes of it is `seen` in the end.

    addresses: all of the host. winner: the one that answered, after `ms` milliseconds. failed: causes of those that did
    not before it did. Connects, and hangs up without a word; nothing is sent.
    """

    def __init__(self, addresses: Sequence[Address], winner: Address, ms: float, failed: Mapping[str, str]) -> None:
        self._winner, self._ms, self._failed = winner, ms, failed
        self._mine = [address for address in addresses if address.family == winner.family]
        self._others = [address for address in addresses if address.family != winner.family]
        self._began = monotonic()
        self._answer: SimpleQueue[dict[str, object]] = SimpleQueue()
        waiting = [address for address in self._others[:MOST] if address.ip not in failed]
        if waiting:
            Thread(target=self._try, args=(waiting,), name="other family", daemon=True).start()
        elif self._others:
            self._answer.put(self._without_answer(failed))

    def seen(self) -> dict[str, object]:
        """Of each family that the host has: `addresses`, and `answered` (which of them) or `cause`; `ms` to either.

        `route`: false where this machine has no way into the family at all. Waits until `WAIT` is over, if it must.
        """
        found: dict[str, object] = {
            NAMES[self._winner.family]: {"addresses": _ips(self._mine), "answered": self._winner.ip, "ms": self._ms}
        }
        if self._others:
            try:
                other = self._answer.get(timeout=max(self._began + WAIT - monotonic(), 0.001))
            except Empty:
                other = {"cause": "tcp_timeout", "ms": self._elapsed()}
            found[NAMES[self._others[0].family]] = {"addresses": _ips(self._others), **other}
        return found

    def _try(self, addresses: Sequence[Address]) -> None:
        try:
            connection, address, _ = dial("the other family", addresses, Deadline(LONGEST))
        except NetworkError as error:
            causes = error.detail.get("addresses")
            self._answer.put(self._without_answer(causes if isinstance(causes, dict) else {}))
            return
        connection.close()
        self._answer.put({"answered": address.ip, "ms": self._elapsed()})

    def _without_answer(self, causes: Mapping[str, str]) -> dict[str, object]:
        cause = next((causes[address.ip] for address in self._others if address.ip in causes), "tcp_timeout")
        route = {} if cause != "tcp_unreachable" or _routed(self._others[0]) else {"route": False}
        return {"cause": cause, "ms": self._elapsed(), **route}

    def _elapsed(self) -> float:
        return round((monotonic() - self._began) * 1000 + self._ms, 1)


def _ips(addresses: Sequence[Address]) -> list[str]:
    return [address.ip for address in addresses]


def _routed(address: Address) -> bool:
    """Whether this machine knows a way to `address`; asks its own routing table alone, no packet leaves."""
    try:
        with socket.socket(address.family, socket.SOCK_DGRAM) as asked:
            asked.connect(address.sockaddr)
            return True
    except OSError:
        return False

"""A DNS server on loopback that knows only the records it was given: `DnsServer`."""

from collections.abc import Iterable, Sequence
from typing import Self

import dns.exception
import dns.message
import dns.query

from .process import Daemon, start_on_free_ports
from .workspace import Workspace


class DnsServer:
    """dnsmasq, over UDP and TCP; a context manager, or `start` and `stop`. What it doesn't know is NXDOMAIN.

    Args:
        program: the path of dnsmasq.
        records: lines such as `mail.test A 127.0.0.1`, `v6.test AAAA ::1`, `mail.test MX 10 mx.mail.test`,
            `_imaps._tcp.mail.test SRV 0 1 993 imap.mail.test` (target `.`: the service is said not to exist),
            `mail.test TXT v=spf1 -all`, `www.test CNAME mail.test`.

    Attributes:
        host, port: where it answers, once started.
    """

    host = "127.0.0.1"
    port: int

    def __init__(self, workspace: Workspace, program: str, records: Iterable[str]) -> None:
        self._program, self._user = program, workspace.user
        self._folder = workspace.folder("dns")
        self._options = [_option(record) for record in records]
        self._daemon: Daemon | None = None

    def start(self) -> Self:
        """Start it on a free port; returns when it answers.

        Raises:
            NotStartedError: it did not come up; the message has its words.
        """
        (self.port,), self._daemon = start_on_free_ports(self.host, 1, self._make, self._replies)
        return self

    def stop(self) -> None:
        """End it."""
        if self._daemon is not None:
            self._daemon.stop()
            self._daemon = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def queries(self) -> list[tuple[str, str]]:
        """What it was asked, as (type, name), such as `("SRV", "_imaps._tcp.mail.test")`, in order."""
        lines = self._daemon.output().splitlines() if self._daemon else []
        asked = [line.partition("query[")[2].split() for line in lines if "query[" in line]
        return [(words[0].rstrip("]"), words[1]) for words in asked if words[1] != "ready.invalid"]

    def _make(self, ports: Sequence[int]) -> Daemon:
        config = self._folder / "dnsmasq.conf"
        lines = [
            *(f"port={ports[0]}", f"listen-address={self.host}", "bind-interfaces", "keep-in-foreground"),
            *("no-resolv", "no-hosts", "no-poll", "local=//", "address=/#/", "pid-file"),
            *("log-queries", "log-facility=-", f"user={self._user.name}", f"group={self._user.group}"),
        ]
        config.write_text("\n".join([*lines, *self._options, ""]))
        argv = [self._program, f"--conf-file={config}"]
        return Daemon(argv, output=self._folder / "output", env={"PATH": "/usr/bin:/bin"}, patience=0.5)

    def _replies(self, _daemon: Daemon, port: int) -> bool:
        try:
            dns.query.udp(dns.message.make_query("ready.invalid", "A"), self.host, port=port, timeout=0.2)
        except (OSError, dns.exception.Timeout):
            return False
        return True


def _option(record: str) -> str:
    """A record as a line of dnsmasq's configuration (dnsmasq(8))."""
    name, kind, *data = record.split()
    match kind, data:
        case (("A" | "AAAA"), [address]):
            return f"host-record={name},{address}"
        case "MX", [preference, target]:
            return f"mx-host={name},{target},{preference}"
        case "SRV", [priority, weight, port, target]:
            return f"srv-host={name},{'' if target == '.' else target},{port},{priority},{weight}"
        case "CNAME", [target]:
            return f"cname={name},{target}"
        case "TXT", [*words]:
            return f'txt-record={name},"{" ".join(words)}"'
        case _:
            raise ValueError(f"not a record known here: {record}")

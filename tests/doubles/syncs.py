"""Runs the sync engine against a server in memory, in a temporary folder."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event as Flag

from mailctl.domain.event import Level
from mailctl.domain.gateway import INBOUND_DEFAULTS, Gateway, Inbound, Login
from mailctl.domain.server import Endpoint, Protocol, Security
from mailctl.sync.bulk.crew import Workers
from mailctl.sync.engine import sync_gateway
from mailctl.sync.job import Connector, SyncJob
from mailctl.sync.local.files import Files
from mailctl.sync.local.flags import Keywords, from_letters
from mailctl.sync.local.lineends import decode
from mailctl.sync.local.names import parse_name
from mailctl.sync.report import SyncReport
from mailctl.sync.run import Tools


@dataclass
class Events:
    """A recorder that keeps (event, fields) in a list."""

    run: str = "run"
    events: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def record(
        self,
        event: str,
        message: str,
        *,
        level: Level = Level.INFO,
        gateway: str = "",
        protocol: str = "",
        **fields: object,
    ) -> None:
        """Keep one event."""
        self.events.append((event, {**fields, "message": message, "level": level}))


@dataclass
class Place:
    """A gateway's Maildir and state below a folder, synced with `connector`."""

    folder: Path
    connector: Connector
    protocol: Protocol = Protocol.IMAP
    recorder: Events = field(default_factory=Events)
    files: Files = field(default_factory=Files)
    workers: Workers | None = None
    stop: Flag = field(default_factory=Flag)
    clock: Callable[[], float] = lambda: 1_800_000_000.0

    @property
    def mail(self) -> Path:
        """The Maildir root."""
        return self.folder / "mail"

    @property
    def state(self) -> Path:
        """The state database."""
        return self.folder / "state" / "box.db"

    def job(self, **inbound: object) -> SyncJob:
        """A job with these values of `Inbound`."""
        wanted = replace(INBOUND_DEFAULTS, protocol=self.protocol, **inbound)  # type: ignore[arg-type]  # by name
        gateway = Gateway("box", "server", "me@mail.test", Login("me"), inbound=Inbound())
        endpoint = Endpoint("localhost", 1, Security.NONE)
        return SyncJob(gateway, self.protocol, endpoint, wanted, str(self.mail), str(self.state))

    def sync(self, job: SyncJob | None = None, **inbound: object) -> SyncReport:
        """Sync once; `inbound` as in `job`, whose own fields may be changed by handing a job."""
        tools = Tools(
            self.connector, self.recorder, self.clock, lambda: "process 1 on test", stop=self.stop, files=self.files
        )
        if self.workers is not None:
            tools = replace(tools, workers=self.workers)
        return sync_gateway(job or self.job(**inbound), tools)

    def bodies(self, *parts: str) -> list[bytes]:
        """The messages of a folder as on the wire, by name."""
        found = []
        for subdirectory in ("cur", "new"):
            for path in self.mail.joinpath(*(parts or ("INBOX",)), subdirectory).iterdir():
                name = parse_name(path.name)
                assert name is not None
                found.append((name.stem, decode(path.read_bytes(), verbatim=name.verbatim)))
        return [body for _, body in sorted(found)]

    def flags(self, *parts: str) -> list[frozenset[str]]:
        """The flags of the messages of a folder, by name."""
        folder = self.mail.joinpath(*(parts or ("INBOX",)))
        file = folder / "dovecot-keywords"
        keywords = Keywords.parse(file.read_text() if file.exists() else "")
        found = []
        for subdirectory in ("cur", "new"):
            for path in (folder / subdirectory).iterdir():
                name = parse_name(path.name)
                assert name is not None
                found.append((name.stem, from_letters(name.letters, keywords)))
        return [flags for _, flags in sorted(found)]

    def file(self, uid: int, folder: str = "INBOX") -> Path:
        """The file of a message by its UID."""
        (path,) = [p for p in (self.mail / folder).glob("*/*") if f".{uid:010d}_" in p.name]
        return path

    def litter(self) -> list[Path]:
        """What lies where nothing should after a run."""
        return [p for p in self.mail.rglob("*") if p.is_file() and (p.parent.name == "tmp" or p.name.endswith(".part"))]

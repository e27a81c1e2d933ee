"""For tests of sync: a home with a gateway on a mailbox of a real server, and what its Maildir holds."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mailctl.sync.local.flags import Keywords, from_letters
from mailctl.sync.local.lineends import decode
from mailctl.sync.local.names import parse_name
from mailctl.sync.local.paths import NAME_FILE, level_of
from tests.cli.support import Cli
from tests.servers.support.certificates import Certificates
from tests.servers.support.mailbox import Mailbox


@dataclass(frozen=True)
class Kept:
    """A message in the Maildir: the octets as on the wire, its flags, its modification time in whole seconds."""

    data: bytes
    flags: frozenset[str]
    time: int


class Ports(Protocol):
    """Where a server answers with TLS."""

    @property
    def imaps(self) -> int: ...
    @property
    def pop3s(self) -> int: ...


class Account(Protocol):
    """Whom to sign in as."""

    @property
    def server(self) -> Ports: ...
    @property
    def user(self) -> str: ...
    @property
    def password(self) -> str: ...
    @property
    def address(self) -> str: ...


class GatewayHome:
    """A home with the gateway `box` for one account on localhost. inbound: lines of the section [inbound]."""

    def __init__(self, folder: Path, account: Account, certificates: Certificates, inbound: str = "") -> None:
        self.cli, self.account = Cli(folder), account
        self.mail = self.cli.data / "mail" / "box"
        self.state = self.cli.state / "sync" / "box.db"
        server, config = account.server, self.cli.config
        for name in ("servers", "gateways"):
            (config / name).mkdir(parents=True, mode=0o700)
        self._write(
            "servers/dovecot.toml",
            f'[imap]\nhost = "localhost"\nport = {server.imaps}\nsecurity = "tls"\n'
            f'[pop3]\nhost = "localhost"\nport = {server.pop3s}\nsecurity = "tls"\n'
            f'[certificate]\nca_file = "{certificates.ca}"\n',
        )
        self.password = folder / "password"
        self.password.touch(mode=0o600)
        self.password.write_text(account.password)
        self.set_inbound(inbound)

    def set_inbound(self, inbound: str) -> None:
        """Write the gateway with these lines in its section [inbound]."""
        self._write(
            "gateways/box.toml",
            f'server = "dovecot"\nemail = "{self.account.address}"\n'
            f'[login]\nuser = "{self.account.user}"\nsecret = {{ file = "{self.password}" }}\n[inbound]\n{inbound}\n',
        )

    def _write(self, name: str, text: str) -> None:
        path = self.cli.config / name
        path.touch(mode=0o600)
        path.write_text(text)

    def sync(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """The report of `mailctl sync box ARGUMENTS`."""
        found = self.cli.json("sync", "box", *arguments, code=code)
        (report,) = found["result"]["gateways"]
        return dict(report)

    def folder(self, *parts: str) -> list[Kept]:
        """The messages of the Maildir folder at a path, by name: by UID, that is."""
        return [kept for _, kept in sorted(self.files(self.mail.joinpath(*parts)).items())]

    def files(self, folder: Path) -> dict[str, Kept]:
        """By the part of the name that never changes."""
        keywords_file = folder / "dovecot-keywords"
        keywords = Keywords.parse(keywords_file.read_text() if keywords_file.exists() else "")
        found = {}
        for path in [*(folder / "cur").iterdir(), *(folder / "new").iterdir()]:
            name = parse_name(path.name)
            assert name is not None, path
            assert name.stem not in found, f"{path} is there twice"
            data = decode(path.read_bytes(), verbatim=name.verbatim)
            found[name.stem] = Kept(data, from_letters(name.letters, keywords), int(path.stat().st_mtime))
        assert not list((folder / "tmp").iterdir())
        return found

    def folders(self) -> dict[str, Path]:
        """Every folder of the Maildir by its IMAP name (delimiter `/`)."""
        found = {}
        for directory, _, _ in os.walk(self.mail):
            path = Path(directory)
            if (path / "cur").is_dir():
                found[self._name(path)] = path
        return found

    def _name(self, path: Path) -> str:
        if (path / NAME_FILE).exists():
            return (path / NAME_FILE).read_text()
        levels = [level_of(part) for part in path.relative_to(self.mail).parts]
        assert all(level is not None for level in levels), path
        return "/".join(level or "" for level in levels)

    def snapshot(self) -> dict[str, tuple[int, int, int, bytes]]:
        """Every file below the Maildir root: inode, time, mode, contents."""
        found = {}
        for directory, _, files in os.walk(self.mail):
            for file in files:
                path = Path(directory, file)
                status = path.stat()
                key = str(path.relative_to(self.mail))
                found[key] = (status.st_ino, status.st_mtime_ns, status.st_mode, path.read_bytes())
        return found


class SyncHome(GatewayHome):
    """Such a home for a mailbox of a Dovecot."""

    def __init__(self, folder: Path, mailbox: Mailbox, certificates: Certificates, inbound: str = "") -> None:
        super().__init__(folder, mailbox, certificates, inbound)
        self.mailbox = mailbox

    def assert_equals_server(self) -> None:
        """Every folder, and of each message octets (modulo line ends), flags, keywords and date, as doveadm says."""
        folders = self.folders()
        assert sorted(folders) == sorted(self.mailbox.folders())
        contents = self.mailbox.contents()
        for name, path in folders.items():
            kept = [message for _, message in sorted(self.files(path).items())]
            held = contents.get(name, [])
            assert len(kept) == len(held), name
            for here, there in zip(kept, held, strict=True):
                assert here.data.replace(b"\r\n", b"\n") == there.data.replace(b"\r\n", b"\n")
                assert here.flags == there.flags, name
                assert here.time == int(there.received.timestamp())

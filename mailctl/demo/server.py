"""A mail server in a thread: IMAP by pymap, SMTP submission by aiosmtpd, both with TLS on loopback, one mailbox.

What SMTP takes lands in the mailbox's INBOX. Nothing leaves the machine and nothing is written to disk.
"""

import asyncio
import threading
from argparse import Namespace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mailctl.domain.record import dataclass
from mailctl.domain.secret import Secret


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Who has the one mailbox. user: the login, which is the address too."""

    user: str
    password: Secret


class EmbeddedMail:
    """Context manager: both servers run while it is open. imap_port, smtp_port: implicit TLS, on 127.0.0.1."""

    def __init__(self, mailbox: Mailbox, certificate: Path) -> None:
        self.imap_port = self.smtp_port = 0
        self._mailbox, self._certificate = mailbox, certificate
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="embedded mail", daemon=True)
        self._servers: list[asyncio.Server] = []
        self._login: Any = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._run(self._stop())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
            if not self._thread.is_alive():
                self._loop.close()

    def deliver(self, message: bytes, folder: str = "INBOX", flags: tuple[bytes, ...] = ()) -> None:
        """Put a message (CRLF line ends) into `folder`, which is made if it isn't there."""
        self._run(self._append(message, folder, flags))

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    async def _start(self) -> None:
        import ssl

        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self._certificate)
        self.imap_port = await self._listen(await self._imap(), tls)
        self.smtp_port = await self._listen(self._smtp(), tls)

    async def _listen(self, protocol: Any, tls: Any) -> int:
        server = await self._loop.create_server(protocol, "127.0.0.1", 0, ssl=tls)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def _imap(self) -> Any:
        from proxyprotocol.noop import ProxyProtocolNoop
        from proxyprotocol.reader import ProxyProtocolReader
        from pymap.backend.dict import DictBackend
        from pymap.imap import IMAPServer

        arguments = Namespace(
            host="127.0.0.1", port="0", cert=None, key=None, tls=False, debug=False, proxy_protocol=None,
            inherited_sockets=None, passlib_cfg=None, demo_data=False,
            demo_user=self._mailbox.user, demo_password=self._mailbox.password.reveal(),
        )  # fmt: skip
        backend, config = await DictBackend.init(arguments, secure_auth=False)
        config.apply_context()
        self._login = backend.login
        accept = ProxyProtocolReader(ProxyProtocolNoop()).get_callback(IMAPServer(backend.login, config))
        return lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader(loop=self._loop), accept, loop=self._loop)

    def _smtp(self) -> Any:
        import logging
        import warnings

        from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

        def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> Any:
            right = LoginPassword(self._mailbox.user.encode(), self._mailbox.password.reveal().encode())
            return AuthResult(success=isinstance(given, LoginPassword) and given == right, handled=False)

        def protocol() -> Any:
            with warnings.catch_warnings():  # it only counts STARTTLS as TLS, and here all is implicit TLS
                warnings.simplefilter("ignore")
                return SMTP(
                    _Deliver(self), hostname="localhost", authenticator=authenticate, auth_required=True,
                    auth_require_tls=False, enable_SMTPUTF8=True, loop=self._loop,
                )  # fmt: skip

        for name in ("mail.log", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # what they say belongs in no terminal

        return protocol

    async def _append(self, message: bytes, folder: str, flags: tuple[bytes, ...]) -> None:
        from datetime import UTC, datetime

        from pymap.parsing.message import AppendMessage
        from pymap.parsing.specials.flag import Flag

        async with self._login.demo_user_identity.new_session() as session:
            folders = session.mailbox_set
            if folder != "INBOX" and not any(entry.name == folder for entry in (await folders.list_mailboxes()).list()):
                await folders.add_mailbox(folder)
            chosen = frozenset(Flag(flag) for flag in flags)
            await session.append_messages(folder, [AppendMessage(message, datetime.now(UTC), chosen)])

    async def _stop(self) -> None:
        for server in self._servers:
            server.close()  # not waited for: it would end with its last connection, and a client may keep one
        others = asyncio.all_tasks(self._loop) - {asyncio.current_task(self._loop)}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class _Deliver:
    """aiosmtpd's handler: what is accepted is in the mailbox before the client is told so (RFC 5321, 6.1)."""

    def __init__(self, mail: EmbeddedMail) -> None:
        self._mail = mail

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address != self._mail._mailbox.user:
            return "550 5.1.1 no such mailbox here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        await self._mail._append(envelope.original_content, "INBOX", ())
        return "250 2.0.0 delivered"

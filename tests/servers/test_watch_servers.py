"""`mailctl watch` on servers other than Dovecot: each is waited for in the way that it can."""

import imaplib
import ssl
from pathlib import Path
from typing import cast

import pytest

from tests.cli.support import Cli
from tests.servers.support.certificates import Certificates
from tests.servers.support.courier import Courier
from tests.servers.support.cyrus import Cyrus
from tests.servers.watching import watching


def gateway(cli: Cli, certificates: Certificates, port: int, user: str, password: str) -> None:
    """The gateway `box`."""
    secret = cli.home / "password"
    texts = {
        secret: password,
        cli.config / "servers/x.toml": f'[imap]\nhost = "localhost"\nport = {port}\nsecurity = "tls"\n'
        f'[certificate]\nca_file = "{certificates.ca}"\n',
        cli.config / "gateways/box.toml": f'server = "x"\nemail = "{user}@mail.test"\n'
        f'[login]\nuser = "{user}"\nsecret = {{ file = "{secret}" }}\n',
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.write_text(text)


@pytest.mark.parametrize("name", ["cyrus", "courier"])
def test_news_are_heard_on_another_server(
    name: str, request: pytest.FixtureRequest, tmp_path: Path, certificates: Certificates
) -> None:
    server = cast("Cyrus | Courier", request.getfixturevalue(name))
    cli = Cli(tmp_path)
    gateway(cli, certificates, server.imaps, "bob", "bob-pw")
    trust = ssl.create_default_context(cafile=certificates.ca)
    with watching(cli.env, "box") as watch, imaplib.IMAP4_SSL("localhost", server.imaps, ssl_context=trust) as client:
        assert watch.wait_for("watch.waiting")["result"]["fields"] == {"how": "idle"}
        client.login("bob", "bob-pw")
        before = watch.events().count("watch.synced")
        status, _ = client.append("INBOX", "", "", b"Subject: 1\r\n\r\nx\r\n")
        assert status == "OK"
        watch.wait_for("watch.synced", before + 1)
        assert list((cli.data / "mail/box/INBOX").glob("*/*_*"))

"""Reports on real servers: complete, and without the password that was sent."""

import base64
import json
from pathlib import Path

import pytest

from tests.servers.support.home import Home
from tests.servers.support.mailbox import Mailbox
from tests.servers.support.postfix import Postfix


@pytest.mark.parametrize("right", [True, False], ids=["works", "wrong password"])
def test_a_report_has_the_conversation_and_no_password(
    home: Home, mailbox: Mailbox, postfix: Postfix, tmp_path: Path, right: bool
) -> None:
    password = mailbox.password if right else "not-the-p4ssword"
    ports = (f"imap localhost {mailbox.server.imaps} tls", f"smtp localhost {postfix.submissions} tls")
    home.gateway("work", mailbox.user, password, *ports)
    files = [tmp_path / f"r.{form}" for form in ("html", "md", "json")]
    done = home.cli.run("test", "work", *(word for file in files for word in ("--report", str(file))))
    assert done.code == (0 if right else 7), done.err
    plain = base64.b64encode(f"\0{mailbox.user}\0{password}".encode()).decode()
    for file in files:
        text = file.read_text()
        for expected in ("* OK [CAPABILITY", "220 ", "AUTHENTICATE", "***", "TLSv1.3", "CPython", "localhost:"):
            assert expected in text, (file.name, expected)
        assert password not in text
        assert plain not in text
    found = json.loads(files[2].read_text())
    assert [check["ok"] for check in found["checks"]] == [right, right]
    assert found["summary"]["causes"] == ({} if right else {"bad_credentials": 2})
    assert all(check["transcript"] for check in found["checks"])

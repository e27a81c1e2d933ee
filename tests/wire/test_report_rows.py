"""Reports on servers that want to get at whoever reads them, by what acts on a reader or by the password itself."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.support import Cli
from tests.wire.support.scripted import Peer, ScriptedServer

PASSWORD = "Tr0ub4dor&3"
HOSTILE = (
    "</pre><script>alert(1)</script><img src=x onerror=alert(1)> [x](https://evil.example) \u202eexe.gpj \x1b[31m| # x"
)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path / "home")


@pytest.fixture
def shown() -> list[str]:
    """How the server of `refusing` shows the password that it was sent."""
    return ["{}"]


@pytest.fixture
def refusing(cli: Cli, shown: list[str]) -> Iterator[Cli]:
    """A home with the gateway `work` on a server that says hostile things and quotes the password it refuses."""

    def script(peer: Peer) -> None:
        peer.line(f"220 mail.test {HOSTILE}")
        peer.expect("EHLO")
        peer.line(f"250-mail.test {HOSTILE}", "250 AUTH PLAIN")
        answer = peer.expect("AUTH PLAIN").split()[-1]
        password = base64.b64decode(answer).decode().split("\0")[2]
        peer.line(f"535 5.7.8 {HOSTILE} you sent {shown[0].format(password, percent=everything(password))}")
        peer.wait_for_end()

    with ScriptedServer(script) as server:
        cli.ok("server", "add", "s", "--smtp", f"127.0.0.1:{server.port}", "--smtp-security", "none")
        options = ("--server", "s", "--email", "work@mail.test", "--password-stdin")
        cli.ok("gateway", "add", "work", *options, stdin=f"{PASSWORD}\n")
        yield cli


def everything(text: str) -> str:
    """`text` with each of its characters percent-encoded, as no software does."""
    return "".join(f"%{octet:02x}" for octet in text.encode())


def test_C_what_a_server_says_is_text_in_every_report(refusing: Cli, tmp_path: Path) -> None:
    files = {form: tmp_path / f"r.{form}" for form in ("html", "md", "json")}
    done = refusing.run("test", "work", *(word for file in files.values() for word in ("--report", str(file))))
    assert done.code == 7, done.err
    page, ticket, facts = (file.read_text() for file in files.values())
    for text in (page, ticket, facts):
        assert PASSWORD not in text
        assert base64.b64encode(f"\0work@mail.test\0{PASSWORD}".encode()).decode() not in text
        assert "***" in text
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "\\u202eexe.gpj" in page
    assert json.loads(facts)["checks"][0]["server_text"].count("<script>") == 1


def test_a_password_in_a_disguise_that_nothing_masks_keeps_the_report_from_being_written(
    refusing: Cli, shown: list[str], tmp_path: Path
) -> None:
    shown[0] = "{percent}"
    file = tmp_path / "r.html"
    error = refusing.json("test", "work", "--report", str(file), code=11)["error"]
    assert error["message"] == "The report was not written: the password of work smtp would stand in it"
    assert not file.exists()


def test_C_a_browser_opens_a_hostile_report_without_a_word(refusing: Cli, tmp_path: Path) -> None:
    from tests.browser.chromium import Chromium, program

    binary = program()
    if binary is None:
        pytest.skip("Chromium is not installed")
    file = tmp_path / "r.html"
    refusing.run("test", "work", "--report", str(file))
    with Chromium(binary, tmp_path) as chromium:
        chromium.open(file)
        assert chromium.complaints == []
        assert chromium.evaluate("document.querySelectorAll('script, img').length") == 0
        assert "535 5.7.8 </pre><script>" in chromium.evaluate("document.body.innerText")

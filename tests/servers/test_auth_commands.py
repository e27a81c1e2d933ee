"""`mailctl auth login|status|logout|token` with a real authorization server: every way, and what goes wrong."""

import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import tomli_w

from mailctl.cli.run import run_command
from mailctl.domain.secret import Secret
from mailctl.errors import SecretError
from mailctl.secrets.encrypted import EncryptedFile
from mailctl.secrets.memory import MemoryKeyring
from tests.cli.support import Cli, Done, TerminalIO

from .support import agreeing_browser
from .support.oauth_server import Fault, OAuthServer

ALICE = "alice@example.org"
KEY = "a passphrase of the tests"
PROGRAM = Path(agreeing_browser.__file__)


@pytest.fixture(autouse=True)
def _ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailctl.protocols.redirect._POLL", 0.02)


@pytest.fixture
def server() -> Iterator[OAuthServer]:
    with OAuthServer() as started:
        yield started


@pytest.fixture
def cli(tmp_path: Path, server: OAuthServer) -> Cli:
    """A home with one gateway, whose application is registered."""
    made = Cli(tmp_path)
    for folder in ("servers", "gateways", "oauth"):
        (made.config / folder).mkdir(parents=True, mode=0o700)
    write(made, "servers/s", {"imap": {"host": "mail.example.org"}, "smtp": {"host": "mail.example.org"}})
    write(made, "gateways/g", {"server": "s", "email": ALICE, "login": {"user": ALICE, "secret": {"oauth": "own"}}})
    write(made, "oauth/own", server.table())
    browser(made)
    return made


def write(cli: Cli, name: str, table: dict[str, Any]) -> None:
    path = cli.config / f"{name}.toml"
    path.write_text(tomli_w.dumps(table))
    path.chmod(0o600)


def browser(cli: Cli, answer: str = "allow", user: str = ALICE) -> None:
    cli.env["BROWSER"] = f"{sys.executable} {PROGRAM} {answer} {user} %s"


def no_browser(cli: Cli, answer: Callable[[str], str], *options: str, terminal: bool = False) -> Done:
    """`auth login g --no-browser`, where `answer` makes of the link what is pasted."""
    kind = TerminalIO if terminal else io.StringIO
    out, err = kind(), kind()

    class Pasting(io.StringIO):
        def readline(self, size: int | None = -1, /) -> str:  # type: ignore[override]  # typeshed has bytes there
            return answer(link_in(err.getvalue())) + "\n"

    words = ["auth", "login", "g", "--no-browser", *options]
    code = run_command(words, Pasting(), out, err, cli.env, keyring=lambda: cli.keyring)
    return Done(code, out.getvalue(), err.getvalue())


def link_in(text: str) -> str:
    (link,) = [line for line in text.splitlines() if "/authorize?" in line]
    return link


def agree(link: str, answer: str = "allow") -> str:
    """What the browser's address bar shows in the end: nobody listens there."""
    from urllib.parse import urlencode
    from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

    class Stay(HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    from urllib.error import HTTPError

    form = urlencode({"user": ALICE, "answer": answer}).encode()
    with pytest.raises(HTTPError) as caught:
        build_opener(ProxyHandler({}), Stay()).open(link, form, timeout=20)
    with caught.value as redirect:
        return str(redirect.headers["Location"])


def secrets_of(server: OAuthServer) -> list[str]:
    """Everything that must be shown nowhere."""
    found = [value for each in server.register.issued for value in (each.access, each.refresh)]
    found += [form[name] for form in server.forms() for name in ("code", "code_verifier") if name in form]
    return [each for each in found if each]


def test_the_browser_signs_in_and_the_tokens_are_kept(cli: Cli, server: OAuthServer) -> None:
    server.register.claims = {"email": ALICE}
    (done,) = cli.json("auth", "login", "g")["result"]
    assert (done["user"], done["application"], done["service"]) == (ALICE, "own", "own")
    assert done["scopes"] == ["mail", "offline_access"]
    assert done["account"] == ALICE
    assert done["renews"]
    assert done["kept_in"]
    assert [entry.path for entry in server.asked] == ["/authorize", "/authorize", "/token"]
    (status,) = cli.json("auth", "status")["result"]
    assert (status["state"], status["account"], status["code"], status["next"]) == ("signed in", ALICE, "", "")
    token = cli.ok("auth", "token", "g")
    assert token.out == server.register.issued[-1].access + "\n"
    assert token.err == ""
    about = cli.json("auth", "token", "g")
    assert about["result"]["user"] == ALICE
    assert server.register.issued[-1].access not in json.dumps(about)


def test_what_is_said_of_a_sign_in_has_no_secret(cli: Cli, server: OAuthServer) -> None:
    shown = [cli.run("auth", "login", "g", "--debug"), cli.run("auth", "status", terminal=True)]
    shown += [cli.run("gateway", "show", "g"), cli.run("auth", "logout", "g", "--debug")]
    for done in shown:
        assert done.code == 0, done.err
        assert not [secret for secret in secrets_of(server) if secret in done.out + done.err]
    assert "The browser opens http://127.0.0.1:" in shown[0].err
    assert "state=" not in shown[0].err


def test_a_dry_run_asks_nobody(cli: Cli, server: OAuthServer) -> None:
    (done,) = cli.json("auth", "login", "g", "--dry-run")["result"]
    assert (done["dry_run"], done["scopes"], done["kept_in"]) == (True, ["mail", "offline_access"], "")
    cli.ok("auth", "login", "g")
    (out,) = cli.json("auth", "logout", "g", "--dry-run")["result"]
    assert (out["forgotten"], out["revoked"], out["dry_run"]) == (True, None, True)
    assert cli.ok("auth", "logout", "g", "--dry-run").rows == [["g", "login", ALICE, "yes", ""]]
    assert cli.json("auth", "status")["result"][0]["state"] == "signed in"
    assert not server.forms("/revoke")


def test_logging_out_revokes_and_forgets(cli: Cli, server: OAuthServer) -> None:
    cli.ok("auth", "login", "g")
    (out,) = cli.json("auth", "logout", "g")["result"]
    assert (out["forgotten"], out["revoked"]) == (True, True)
    assert all(each.revoked for each in server.register.issued)
    assert cli.json("auth", "status", code=4)["error"]["code"] == "oauth_not_signed_in"
    assert cli.json("auth", "token", "g", code=4)["error"]["code"] == "oauth_not_signed_in"
    (out,) = cli.json("auth", "logout", "g")["result"]
    assert (out["forgotten"], out["revoked"]) == (False, None)
    assert cli.ok("auth", "logout", "g").rows == [["g", "login", ALICE, "no", ""]]


def test_logging_out_names_what_may_end_with_it(cli: Cli, server: OAuthServer) -> None:
    for name, user in (("same", ALICE.upper()), ("else", "bob@example.org")):
        table = {"user": user, "secret": {"oauth": "own"}}
        write(cli, f"gateways/{name}", {"server": "s", "email": ALICE, "login": table})
    cli.run("auth", "login", "g")
    would = cli.run("auth", "logout", "g", "--dry-run")
    assert "same: the same user and application" in would.err
    both = cli.json("auth", "logout", "g", "same", "--dry-run")["result"]
    assert [each["sharing"] for each in both] == [[], []]
    done = cli.run("auth", "logout", "g", "--json")
    assert json.loads(done.out)["result"][0]["sharing"] == ["same"]


def test_the_mailer_log_has_who_signed_in_and_out(cli: Cli, server: OAuthServer) -> None:
    server.register.claims = {"email": ALICE}
    cli.ok("auth", "login", "g")
    cli.ok("auth", "logout", "g")
    browser(cli, "deny")
    cli.json("auth", "login", "g", code=7)
    events = [each for each in cli.json("log")["result"] if each["event"].startswith("auth.")]
    assert [each["event"] for each in events] == ["auth.signed_in", "auth.signed_out", "auth.failed"]
    assert events[0]["fields"] == {
        "login": "login",
        "user": ALICE,
        "account": ALICE,
        "scopes": ["mail", "offline_access"],
    }
    assert (events[1]["fields"]["revoked"], events[2]["fields"]["cause"]) == (True, "consent_declined")
    assert not [secret for secret in secrets_of(server) if secret in json.dumps(events)]


def test_the_first_of_two_sign_ins_stays_where_the_second_fails(cli: Cli) -> None:
    own = {"user": ALICE, "secret": {"oauth": "own"}}
    write(cli, "gateways/g", {"server": "s", "email": ALICE, "login": own, "smtp_login": own})
    first = cli.home / "first"
    program = cli.home / "browser.sh"
    again = f"{sys.executable} {PROGRAM}"
    program.write_text(f'#!/bin/sh\nanswer=deny\nmkdir {first} && answer=allow\nexec {again} $answer {ALICE} "$1"\n')
    program.chmod(0o755)
    cli.env["BROWSER"] = f"{program} %s"
    found = cli.json("auth", "login", "g", code=7)
    assert [row["login"] for row in found["result"]] == ["login"]
    assert found["error"]["cause"] == "consent_declined"
    assert [row["state"] for row in cli.json("auth", "status", code=4)["result"]] == ["signed in", "signed out"]


def test_logging_out_where_nothing_can_be_revoked(cli: Cli, server: OAuthServer) -> None:
    table = server.table()
    del table["revocation_endpoint"]
    write(cli, "oauth/own", table)
    cli.ok("auth", "login", "g")
    done = cli.ok("auth", "logout", "g")
    assert "the provider has no way to revoke" in done.err
    assert done.rows == [["g", "login", ALICE, "yes", "can't"]]
    cli.ok("auth", "login", "g")
    (cli.config / "oauth/own.toml").unlink()
    for options in (("--dry-run",), ()):
        assert "its application isn't set up any more" in cli.ok("auth", "logout", "g", *options).err


def test_logging_out_forgets_also_what_could_not_be_revoked(cli: Cli, server: OAuthServer) -> None:
    cli.ok("auth", "login", "g")
    server.faults["/revoke"] = Fault(b"oops", 500, "text/plain")
    found = cli.json("auth", "logout", "g", code=5)
    assert found["result"][0]["forgotten"]
    assert found["result"][0]["revoked"] is False
    assert "account's settings" in found["error"]["hint"]
    assert cli.json("auth", "status", code=4)["result"][0]["state"] == "signed out"


def test_who_says_no_is_not_signed_in(cli: Cli) -> None:
    browser(cli, "deny")
    error = cli.json("auth", "login", "g", code=7)["error"]
    assert error["cause"] == "consent_declined"
    assert cli.json("auth", "status", code=4)["result"][0]["state"] == "signed out"


def test_F1_a_wrong_state_is_refused(cli: Cli, server: OAuthServer) -> None:
    server.wrong_state = "of another sign-in"
    assert cli.json("auth", "login", "g", "--timeout", "3s", code=7)["error"]["code"] == "oauth_state"
    assert not server.forms()


def test_nobody_in_the_browser(cli: Cli) -> None:
    cli.env["BROWSER"] = "/bin/true %s"
    start = time.monotonic()
    error = cli.json("auth", "login", "g", "--timeout", "1s", code=7)["error"]
    assert error["code"] == "oauth_timeout"
    assert "--no-browser" in error["hint"]
    assert time.monotonic() - start < 10


def test_another_account_is_told(cli: Cli, server: OAuthServer) -> None:
    server.register.claims = {"email": "bob@example.org"}
    done = cli.run("auth", "login", "g")
    assert done.code == 0
    assert "warning: The token is of bob@example.org" in done.err


def test_what_can_not_serve_is_given_back_and_not_kept(cli: Cli, server: OAuthServer) -> None:
    server.register.claims = {"email": "bob@gmail.com"}
    write(cli, "oauth/own", server.table(service="google"))
    login = {"user": "alice@gmail.com", "secret": {"oauth": "own"}}
    write(cli, "gateways/g", {"server": "s", "email": "alice@gmail.com", "login": login})
    error = cli.json("auth", "login", "g", code=7)["error"]
    assert (error["code"], error["cause"]) == ("oauth_grant", "other_account")
    assert "bob@gmail.com" in error["message"]
    assert "mailctl auth login g`" in error["hint"]
    assert all(each.revoked for each in server.register.issued)
    assert cli.json("auth", "status", code=4)["result"][0]["state"] == "signed out"


@pytest.mark.parametrize("terminal", [False, True])
def test_the_link_is_printed_whole_and_the_address_pasted(cli: Cli, server: OAuthServer, terminal: bool) -> None:
    cli.env["COLUMNS"] = "40"
    table = server.table(client_id="a-public-client")
    write(cli, "oauth/own", table)
    links = []

    def paste(link: str) -> str:
        links.append(link)
        return agree(link)

    done = no_browser(cli, paste, terminal=terminal)
    assert done.code == 0, done.err
    assert links[0].startswith(f"{server.url}/authorize?")
    assert "\x1b]" not in done.err
    assert not [secret for secret in secrets_of(server) if secret in done.out + done.err]


def test_the_link_is_shown_also_with_json_and_quiet(cli: Cli) -> None:
    done = no_browser(cli, agree, "--json", "--quiet")
    assert json.loads(done.out)["ok"]
    assert link_in(done.err)


@pytest.mark.parametrize(
    ("pasted", "code"),
    [
        ("", "oauth_redirect"),
        ("http://127.0.0.1/", "oauth_redirect"),
        ("https://evil.example/?code=x&state=y", "oauth_redirect"),
        ("http://127.0.0.1/?code=x&state=y", "oauth_state"),
        ("http://127.0.0.1/?code=x&code=y&state=y", "oauth_redirect"),
        ("\x1b[2Jhttp://127.0.0.1", "oauth_redirect"),
    ],
)
def test_what_is_pasted_must_be_the_answer(cli: Cli, server: OAuthServer, pasted: str, code: str) -> None:
    done = no_browser(cli, lambda link: pasted, "--json")
    assert (done.code, json.loads(done.out)["error"]["code"]) == (7, code)
    assert not server.forms()
    assert "\x1b" not in done.err


def test_nobody_to_ask(cli: Cli) -> None:
    for options in ((), ("--no-input",)):
        assert cli.json("auth", "login", "g", "--no-browser", *options, code=2)["error"]["code"] == "no_input"


def test_without_the_library_it_is_said_how_to_get_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.ok("auth", "login", "g", "--dry-run")
    monkeypatch.setitem(sys.modules, "authlib.oauth2.client", None)
    error = cli.json("auth", "login", "g", code=4)["error"]
    assert error["code"] == "oauth_library"
    assert f"{sys.executable} -m pip install" in error["hint"]


def test_without_a_display_the_link_is_printed(cli: Cli) -> None:
    del cli.env["BROWSER"]
    done = cli.run("auth", "login", "g", stdin="\n")
    assert done.code == 7
    assert link_in(done.err)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_device_code_is_shown_and_waited_for(cli: Cli, server: OAuthServer, terminal: bool) -> None:
    cli.env["TERM"] = "xterm"

    def enter() -> None:
        end = time.monotonic() + 20
        while not server.register.devices and time.monotonic() < end:
            time.sleep(0.02)
        for each in list(server.register.devices.values()):
            server.enter_code(each["user_code"], ALICE)

    thread = Thread(target=enter)
    thread.start()
    done = cli.run("auth", "login", "g", "--device", terminal=terminal)
    thread.join()
    assert done.code == 0, done.err
    (device,) = server.register.devices.values()
    lines = [line.strip() for line in done.err.splitlines()]
    assert device["user_code"] in lines
    assert ("█" in done.err) == terminal
    assert bool(re.search(r"\d:\d\d left", done.err)) == terminal
    assert device["device_code"] not in done.err
    assert cli.json("auth", "status")["result"][0]["state"] == "signed in"


def test_two_ways_at_once(cli: Cli) -> None:
    assert cli.run("auth", "login", "g", "--device", "--no-browser").code == 2


@pytest.mark.parametrize("command", ["login", "token", "logout"])
def test_a_gateway_with_a_password(cli: Cli, command: str) -> None:
    write(cli, "gateways/p", {"server": "s", "email": ALICE})
    error = cli.json("auth", command, "p", code=2)["error"]
    assert error["code"] == "not_oauth"
    assert "--secret oauth" in error["hint"]
    assert [row["gateway"] for row in cli.json("auth", "status", code=4)["result"]] == ["g"]


def test_without_an_application_the_next_command_is_named(cli: Cli) -> None:
    (cli.config / "oauth/own.toml").unlink()
    for command in ("login", "token"):
        error = cli.json("auth", command, "g", code=4)["error"]
        assert (error["code"], error["hint"]) == (
            "oauth_no_application",
            "`mailctl auth setup PROVIDER --name own` sets it up.",
        )
    (row,) = cli.json("auth", "status", code=4)["result"]
    assert (row["state"], row["code"]) == ("not set up", "oauth_no_application")
    assert cli.ok("auth", "logout", "g").rows[0][3] == "no"


def test_an_application_that_signs_in_by_itself(cli: Cli, server: OAuthServer) -> None:
    from .support.oauth_server import CLIENT_SECRET, CONFIDENTIAL

    cli.env["X_CLIENT"] = CLIENT_SECRET
    more = {"grant": "client_credentials", "client_id": CONFIDENTIAL, "client_secret": {"env": "X_CLIENT"}}
    write(cli, "oauth/own", server.table(**more))
    assert "nobody has to" in cli.json("auth", "login", "g", code=2)["error"]["message"]
    assert cli.json("auth", "status")["result"][0]["state"] == "by itself"
    assert cli.ok("auth", "token", "g").out.strip() == server.register.issued[-1].access
    cli.ok("auth", "logout", "g")
    server.faults["/token"] = Fault(b'{"error":"invalid_grant"}')
    for command in ("token", "test"):
        error = cli.json(*(["auth", "token"] if command == "token" else ["test"]), "g", code=7)["error"]
        assert "auth login" not in error["hint"], command
        assert error["cause"] == "app_config"


def test_smtp_may_sign_in_as_somebody_else(cli: Cli, server: OAuthServer) -> None:
    own = {"user": ALICE, "secret": {"oauth": "own"}}
    write(cli, "gateways/g", {"server": "s", "email": ALICE, "login": own, "smtp_login": own})
    assert [row["login"] for row in cli.json("auth", "login", "g")["result"]] == ["login", "smtp_login"]
    main, smtp = (cli.ok("auth", "token", "g", *options).out for options in ((), ("--smtp",)))
    assert main != smtp
    (row,) = cli.json("auth", "login", "g", "--smtp")["result"]
    assert row["login"] == "smtp_login"


def test_a_sign_in_that_ended_needs_another(cli: Cli, server: OAuthServer) -> None:
    cli.ok("auth", "login", "g")
    write(cli, "oauth/own", server.table(client_id="another"))
    (row,) = cli.json("auth", "status", code=4)["result"]
    assert (row["state"], row["next"]) == ("ended", "mailctl auth login g")


def test_an_account_of_which_the_token_does_not_tell_is_not_known(cli: Cli, server: OAuthServer) -> None:
    assert "not known" not in cli.run("auth", "status").out
    cli.run("auth", "login", "g")
    assert cli.json("auth", "status")["result"][0]["account"] == ""
    assert f"{ALICE}\tnot known" in cli.run("auth", "status").out
    server.register.claims = {"email": "bob@example.org"}
    cli.run("auth", "login", "g")
    assert f"{ALICE}\tbob@example.org" in cli.run("auth", "status").out


def test_days_left_are_counted(cli: Cli, server: OAuthServer) -> None:
    server.register.refreshes = False
    done = cli.run("auth", "login", "g")
    assert done.code == 0
    assert "no refresh token" in done.err
    (row,) = cli.json("auth", "status")["result"]
    assert row["days_left"] == 0
    assert row["lapses"] == row["expires"]
    assert "in" in cli.run("auth", "status", terminal=True).out


def subprocess_of(cli: Cli, *words: str, **more: Any) -> "subprocess.Popen[str]":
    """A real mailctl, whose tokens are in the encrypted file."""
    table = {"user": ALICE, "secret": {"oauth": "own", "store": "encrypted"}}
    write(cli, "gateways/g", {"server": "s", "email": ALICE, "login": table})
    env = {**cli.env, "PYTHONPATH": str(Path(__file__).parents[2]), "MAILCTL_SECRETS_KEY": KEY}
    command = [sys.executable, "-m", "mailctl", *words]
    return subprocess.Popen(command, env=env, text=True, **more)


def test_ctrl_c_ends_the_wait_and_keeps_nothing(cli: Cli) -> None:
    cli.env["BROWSER"] = "/bin/true %s"
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess_of(cli, "auth", "login", "g", **pipes) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        assert "The browser opens" in said
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    kept = EncryptedFile(cli.config / "secrets.jwe", lambda new: Secret(KEY))
    assert kept.exists, "that it can be written was tried out"
    assert kept.names == []


def test_what_is_pasted_on_a_terminal_is_not_shown(cli: Cli, server: OAuthServer) -> None:
    ours, theirs = pty.openpty()
    with subprocess_of(
        cli, "auth", "login", "g", "--no-browser", stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = read_until(ours, b"not shown): ")
        link = link_in(shown.decode())
        os.write(ours, b"http://127.0.0.1/nonsensf\x7fe\n")
        shown += read_until(ours, b"not shown): ")
        answer = agree(link) + "&session_state=" + "x" * 6000  # longer than a terminal's own line may be
        os.write(ours, answer.encode() + b"\n")
        shown += read_until(ours, None)
        process.wait(30)
    os.close(ours)
    assert process.returncode == 0, shown
    text = shown.decode()
    assert answer not in text
    assert not [secret for secret in secrets_of(server) if secret in text]
    with subprocess_of(cli, "auth", "token", "g", stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        out, err = process.communicate(timeout=30)
    assert (out.strip(), err) == (server.register.issued[-1].access, "")


def read_until(terminal: int, words: bytes | None) -> bytes:
    """What the terminal shows, up to `words` or the end."""
    shown = b""
    while words is None or words not in shown:
        assert select.select([terminal], [], [], 30)[0], shown
        try:
            chunk = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            chunk = b""
        if not chunk:
            assert words is None, shown
            break
        shown += chunk
    return shown


def test_nobody_signs_in_where_nothing_could_be_kept(cli: Cli, server: OAuthServer) -> None:
    from mailctl.secrets.keyring import WAYS_ON, Entry

    class Locked(MemoryKeyring):
        def get(self, service: str, user: str) -> Entry:
            raise SecretError("The keyring is locked", hint=WAYS_ON, code="keyring_locked")

    cli.keyring = Locked()
    error = cli.json("auth", "login", "g", code=4)["error"]
    assert "mailctl gateway edit g --oauth 'own' --encrypted" in error["hint"]
    assert not server.asked
    (row,) = cli.json("auth", "status", code=4)["result"]
    assert (row["state"], row["code"], row["next"]) == ("unreadable", "keyring_locked", error["hint"])
    login = {"user": ALICE, "secret": {"oauth": "own", "store": "encrypted"}}
    smtp = {"user": "sender@example.org", "secret": {"oauth": "own"}}
    write(cli, "gateways/g", {"server": "s", "email": ALICE, "login": login, "smtp_login": smtp})
    hint = cli.json("auth", "login", "g", "--smtp", code=4)["error"]["hint"]
    assert "--encrypted" not in hint
    assert 'secret = {oauth = "own", store = "encrypted"} under [smtp_login]' in hint


@pytest.mark.parametrize(("key", "code"), [("", "secrets_key_missing"), ("k3y-" * 12, "storage")])
def test_nobody_signs_in_where_the_encrypted_file_could_not_be_written(
    cli: Cli, server: OAuthServer, key: str, code: str
) -> None:
    table = {"user": ALICE, "secret": {"oauth": "own", "store": "encrypted"}}
    write(cli, "gateways/g", {"server": "s", "email": ALICE, "login": table})
    write(cli, "config", {"secrets": {"file": "/proc/nowhere/secrets.jwe"}} if key else {})
    cli.env |= {"MAILCTL_SECRETS_KEY": key} if key else {}
    done = cli.run("auth", "login", "g", "--json")
    assert (json.loads(done.out)["error"]["code"], server.asked) == (code, [])


class Refusing(MemoryKeyring):
    """Keeps nothing after the first `left` entries."""

    left = 0

    def set(self, service: str, user: str, secret: Secret) -> str:
        if not self.left:
            raise SecretError("The keyring takes nothing", code="keyring_refused")
        self.left -= 1
        return super().set(service, user, secret)


def test_nobody_signs_in_where_the_keyring_takes_nothing(cli: Cli, server: OAuthServer) -> None:
    cli.keyring = Refusing()
    assert cli.json("auth", "login", "g", code=4)["error"]["code"] == "keyring_refused"
    assert not server.asked


def test_what_could_not_be_kept_is_given_back(cli: Cli, server: OAuthServer) -> None:
    cli.keyring = ring = Refusing()
    ring.left = 1  # the trial
    assert cli.json("auth", "login", "g", code=4)["error"]["code"] == "keyring_refused"
    assert [each.revoked for each in server.register.issued] == [True]


def test_what_is_tried_out_leaves_nothing_and_spoils_nothing(cli: Cli) -> None:
    cli.run("auth", "login", "g")
    before = cli.json("auth", "status")["result"]
    names = list(cli.keyring.names)
    browser(cli, "deny")
    cli.run("auth", "login", "g", "--timeout", "20s")
    assert (cli.json("auth", "status")["result"], cli.keyring.names) == (before, names)


@pytest.mark.parametrize("name", ["g", "other"])
def test_what_can_not_serve_is_not_given_back_where_a_sign_in_would_end_with_it(
    cli: Cli, server: OAuthServer, name: str
) -> None:
    """Google withdraws all that the account granted to the client."""
    write(cli, "oauth/own", server.table(service="google"))
    login = {"user": "alice@gmail.com", "secret": {"oauth": "own"}}
    for each in ("g", "other"):
        write(cli, f"gateways/{each}", {"server": "s", "email": "alice@gmail.com", "login": login})
    assert cli.run("auth", "login", name).code == 0
    server.register.claims = {"email": "bob@gmail.com"}
    assert cli.json("auth", "login", "g", code=7)["error"]["code"] == "oauth_grant"
    assert not any(each.revoked for each in server.register.issued)


def test_a_sign_in_that_was_withdrawn_is_told_once_that_is_known(cli: Cli, server: OAuthServer) -> None:
    server.register.lifetime = 1
    cli.ok("auth", "login", "g")
    server.register.revoke_all()
    time.sleep(1.1)
    assert cli.json("auth", "token", "g", code=4)["error"]["code"] == "oauth_expired"
    (row,) = cli.json("auth", "status", code=4)["result"]
    assert (row["state"], row["code"], row["next"]) == ("ended", "oauth_expired", "mailctl auth login g")
    cli.ok("auth", "login", "g")
    assert cli.json("auth", "status")["result"][0]["state"] == "signed in"


@pytest.mark.parametrize(
    ("said", "cause", "begins"),
    [
        ("AADSTS50173: The provided grant has expired due to it being revoked", "token_revoked", "Sign in: `mailctl"),
        (
            "AADSTS53003: Access has been blocked by Conditional Access policies",
            "conditional_access",
            "Use the sign-in",
        ),
    ],
)
def test_what_a_refusal_means_keeps_the_command_that_names_the_gateway(
    cli: Cli, server: OAuthServer, said: str, cause: str, begins: str
) -> None:
    server.register.lifetime = 1
    cli.ok("auth", "login", "g")
    body = json.dumps({"error": "invalid_grant", "error_description": said}).encode()
    server.faults["/token"] = Fault(body)
    time.sleep(1.1)
    error = cli.json("auth", "token", "g", code=4)["error"]
    assert error["cause"] == cause
    assert error["hint"].startswith(begins)
    assert error["hint"].endswith("`mailctl auth login g`.")


@pytest.mark.parametrize(("service", "days"), [("google", 180), ("microsoft", 90)])
def test_days_left_are_counted_from_the_last_use(service: str, days: int) -> None:
    from datetime import UTC, datetime, timedelta

    from mailctl.cli.auth_logins import certain_end, sign_in_ends
    from mailctl.domain.oauth import Application, Token
    from mailctl.domain.secret import BearerToken, Secret
    from mailctl.providers.catalog import load_oauth

    now = datetime.now(UTC)
    token = Token(BearerToken("x"), now, refresh_token=Secret("y"), refreshed=now - timedelta(days=300))
    application = Application(service, load_oauth(service), "x")
    assert sign_in_ends(token, application) == now + timedelta(days=days)
    assert certain_end(token) is None


def test_the_provider_says_whether_it_knows_an_application(cli: Cli, server: OAuthServer) -> None:
    from .support.oauth_server import CLIENT_SECRET, CONFIDENTIAL

    cli.env |= {"X_RIGHT": CLIENT_SECRET, "X_WRONG": "another secret"}
    (cli.config / "oauth/own.toml").unlink()
    base = server.table()
    write(cli, "oauth/sso", {**base, "client_id": "unknown"})
    setup = ("auth", "setup", "sso", "--check")
    found = cli.json(*setup, "--client-id", "unknown", code=7)
    assert (found["result"]["recognised"], found["error"]["cause"]) == (False, "client_secret_invalid")
    assert found["error"]["hint"]
    done = cli.ok(*setup, "--client-id", "a-public-client")
    assert "sso knows the application." in done.err
    right = ("--client-id", CONFIDENTIAL, "--client-secret-env")
    assert cli.json(*setup, *right, "X_RIGHT")["result"]["recognised"]
    assert cli.json(*setup, *right, "X_WRONG", code=7)["result"]["recognised"] is False
    by_itself = (*setup, "--grant", "client_credentials", *right)
    assert cli.json(*by_itself, "X_RIGHT")["result"]["recognised"]
    for error in ("invalid_grant", "invalid_request"):  # whoever asks: that tells nothing
        server.faults["/token"] = Fault(json.dumps({"error": error}).encode())
        done = cli.ok(*setup, "--client-id", "unknown", "--grant", "authorization_code")
        assert "sso doesn't tell whether it knows the application" in done.err
    assert cli.json(*setup)["result"]["recognised"] is None
    server.faults["/token"] = Fault(b"<html>", 200, "text/html")
    assert cli.json(*setup, code=9)["result"]["recognised"] is False
    assert cli.json(*setup, "--dry-run")["result"]["recognised"] is None


def test_ctrl_c_at_the_prompt_leaves_the_terminal_as_it_was(cli: Cli) -> None:
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(ours)
    # a terminal of its own, so that Ctrl-C reaches it
    more = {"start_new_session": True, "preexec_fn": lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)}
    words = ("auth", "login", "g", "--no-browser")
    with subprocess_of(cli, *words, stdin=theirs, stdout=theirs, stderr=theirs, **more) as process:
        shown = read_until(ours, b"not shown): ")
        hidden = not termios.tcgetattr(ours)[3] & termios.ECHO
        os.write(ours, b"half of it\x03")
        try:
            process.wait(30)
        finally:
            process.kill()
        assert hidden
        assert termios.tcgetattr(ours)[3] == before[3]
    os.close(theirs)
    shown += read_until(ours, None)
    os.close(ours)
    assert process.returncode == 130
    assert b"half of it" not in shown
    assert b"Traceback" not in shown


def test_hints_name_the_gateway(cli: Cli, server: OAuthServer) -> None:
    server.faults["/token"] = Fault(b'{"error":"invalid_grant"}')
    error = cli.json("auth", "login", "g", code=7)["error"]
    assert "`mailctl auth login g`" in error["hint"]
    server.faults.clear()
    write(cli, "oauth/own", server.table(service="google"))
    login = {"user": "alice@gmail.com", "secret": {"oauth": "own"}}
    write(cli, "gateways/g", {"server": "s", "email": "alice@gmail.com", "login": login})
    server.register.claims = {"email": "bob@gmail.com"}
    error = cli.json("auth", "login", "g", code=7)["error"]
    assert (error["cause"], "`mailctl auth login g`" in error["hint"]) == ("other_account", True)


def test_two_ways_at_once_are_refused_before_anything_is_asked(cli: Cli, server: OAuthServer) -> None:
    (cli.config / "oauth/own.toml").unlink()
    assert cli.json("auth", "login", "g", "--no-browser", "--device", code=2)["error"]["code"] == "usage"
    assert not server.asked


def test_a_watch_that_gave_up_is_told_how_it_goes_on(cli: Cli) -> None:
    from datetime import UTC, datetime

    from mailctl.domain.heartbeat import Heartbeat, Watched, WatchState
    from mailctl.journal.heartbeat import HeartbeatFile

    now, host = datetime.now(UTC), os.uname().nodename
    (cli.state / "watch").mkdir(parents=True)
    for pid, state in ((os.getpid(), WatchState.STOPPED), (os.getppid(), WatchState.IDLE)):
        HeartbeatFile(cli.state / "watch", host, pid).write(Heartbeat(pid, host, now, now, {"g": Watched(state, now)}))
    done = cli.ok("auth", "login", "g")
    assert f"`kill -HUP {os.getpid()}`" in done.err
    assert str(os.getppid()) not in done.err.replace(str(os.getpid()), "")


def test_smtp_signs_in_as_the_gateway_does_unless_it_has_a_login_of_its_own(cli: Cli) -> None:
    (row,) = cli.json("auth", "login", "g", "--smtp")["result"]
    assert row["login"] == "login"
    assert cli.ok("auth", "token", "g", "--smtp").out == cli.ok("auth", "token", "g").out


def test_who_removes_a_gateway_is_told_that_its_tokens_live_on(cli: Cli) -> None:
    cli.ok("auth", "login", "g")
    assert "not revoked" in cli.ok("gateway", "remove", "g", "--yes").err
    write(cli, "gateways/g", {"server": "s", "email": ALICE, "login": {"user": ALICE, "secret": {"oauth": "own"}}})
    assert "revoked" not in cli.ok("gateway", "remove", "g", "--yes").err


def test_what_is_renewed_while_somebody_signs_out_is_revoked_too(cli: Cli, server: OAuthServer) -> None:
    server.register.lifetime = 1
    cli.ok("auth", "login", "g")
    time.sleep(1.1)
    server.register.lifetime = 3600
    server.held["/revoke"] = Event()
    leaving = Thread(target=cli.ok, args=("auth", "logout", "g"))
    leaving.start()
    end = time.monotonic() + 30
    while not server.forms("/revoke"):
        assert time.monotonic() < end
        time.sleep(0.02)
    cli.ok("auth", "token", "g")
    server.held["/revoke"].set()
    leaving.join(30)
    assert [form["token"] for form in server.forms("/revoke")] == [each.refresh for each in server.register.issued]
    assert cli.json("auth", "status", code=4)["result"][0]["state"] == "signed out"

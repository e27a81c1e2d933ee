"""`mailctl gateway password` and the options by which commands take a password."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from mailctl.config.store import ConfigStore
from mailctl.domain.gateway import Gateway, Login, LoginRole, SecretSource, SourceKind
from mailctl.domain.secret import Secret
from mailctl.domain.server import Endpoint, Protocol, Security, Server
from tests.cli.support import Cli

SET = ("gateway", "password", "set", "work")
CHECK = ("gateway", "password", "check", "work")
CLEAR = ("gateway", "password", "clear", "work")
SOURCE = ("gateway", "password", "source", "work")


@pytest.fixture
def home(cli: Cli) -> Cli:
    """A home with one gateway, whose SMTP signs in differently."""
    config = ConfigStore(cli.config)
    config.save_server(Server("example", endpoints={Protocol.IMAP: Endpoint("mail.example.org", 993, Security.TLS)}))
    smtp = Login("alice-smtp", SecretSource(SourceKind.ENV, ("SMTP_PASSWORD",)))
    config.save_gateway(Gateway("work", "example", "alice@example.org", Login("alice"), smtp_login=smtp))
    config.save_gateway(Gateway("plain", "example", "bob@example.org", Login("bob")))
    return cli


def source_of(cli: Cli, role: LoginRole = LoginRole.LOGIN) -> SecretSource:
    return ConfigStore(cli.config).gateway("work").logins[role].secret


def kept(cli: Cli, role: str = "login") -> Secret | None:
    return cli.keyring.get("mailctl:work", role).secret


@pytest.mark.parametrize("text", ["hunter2", "hunter2\n", "hunter2\r\n", "hunter2\nsecond\n"])
def test_the_first_line_of_stdin_goes_into_the_keyring(home: Cli, text: str) -> None:
    done = home.run(*SET, "--password-stdin", stdin=text)
    assert done.code == 0, done.err
    assert kept(home) == Secret("hunter2")
    assert "mailctl test work" in done.err
    assert "hunter2" not in done.out + done.err


def test_json_says_where_it_went(home: Cli) -> None:
    result = home.json(*SET, "--password-stdin", "--smtp", stdin="hunter2\n")["result"]
    assert result == {
        "gateway": "work",
        "login": "smtp_login",
        "source": "keyring",
        "where": "keyring entry mailctl:work, smtp_login",
        "backend": "memory",
        "changed": True,
        "dry_run": False,
    }
    assert kept(home, "smtp_login") == Secret("hunter2")
    assert source_of(home, LoginRole.SMTP_LOGIN) == SecretSource()  # it was a variable


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [("", 4, "empty"), ("\n", 4, "empty"), ("a\0b\n", 4, "NUL"), ("x" * 70000, 4, "longer"), ("\udcff\n", 4, "UTF-8")],
)
def test_what_is_no_password_is_refused(home: Cli, text: str, code: int, words: str) -> None:
    done = home.run(*SET, "--password-stdin", stdin=text)
    assert (done.code, kept(home)) == (code, None)
    assert words in done.err


def test_a_dry_run_neither_asks_nor_keeps(home: Cli) -> None:
    assert home.json(*SET, "--dry-run")["result"]["dry_run"]
    assert home.run(*SET, "--dry-run", "--password-stdin", stdin="hunter2\n").code == 0
    assert kept(home) is None


def test_stdin_that_is_a_terminal_would_show_it(home: Cli) -> None:
    done = home.run(*SET, "--password-stdin", stdin="hunter2\n", terminal=True)
    assert done.code == 2
    assert "would show the password" in done.err


def test_nobody_to_ask_names_the_ways(home: Cli) -> None:
    done = home.run(*SET)
    assert done.code == 2
    for option in ("--password-stdin", "--password-command", "--password-env", "--password-file"):
        assert option in done.err


def test_one_way_at_a_time(home: Cli) -> None:
    done = home.run(*SET, "--password-stdin", "--password-env", "X", stdin="hunter2\n")
    assert done.code == 2
    assert "one place" in done.err


@pytest.mark.parametrize(
    ("options", "source"),
    [
        (("--password-command", "pass 'mail/my work'"), SecretSource(SourceKind.COMMAND, ("pass", "mail/my work"))),
        (("--password-env", "WORK"), SecretSource(SourceKind.ENV, ("WORK",))),
        (("--password-file", "/run/secrets/work"), SecretSource(SourceKind.FILE, ("/run/secrets/work",))),
        (("--password-file", "~/.work"), SecretSource(SourceKind.FILE, ("~/.work",))),
        (("--password-file", "credential"), SecretSource(SourceKind.FILE, ("credential",))),
    ],
)
def test_an_option_names_the_source(home: Cli, options: tuple[str, ...], source: SecretSource) -> None:
    for verb in (SET, SOURCE):
        home.ok(*verb, *options, "--dry-run")
        assert source_of(home) == SecretSource()
    home.ok(*SET, "--password-stdin", stdin="hunter2\n")
    home.ok(*SET, *options)
    assert source_of(home) == source
    assert kept(home) is None  # nothing is left that nobody uses
    home.ok(*SOURCE, "--keyring")
    assert source_of(home) == SecretSource()
    home.ok(*SOURCE, *options)
    assert source_of(home) == source


def test_a_relative_file_means_the_same_tomorrow(home: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "password").write_text("x")
    home.ok(*SET, "--password-file", "password")
    assert source_of(home).argument == (str(tmp_path / "password"),)
    home.ok(*SET, "--password-command", "./ask mail")
    assert source_of(home).argument == (str(tmp_path / "ask"), "mail")
    home.ok(*SET, "--password-command", "~/bin/ask ~")
    assert source_of(home).argument == (str(home.home / "bin/ask"), "~")


@pytest.mark.parametrize(
    "options",
    [
        ("--password-command", "pass 'unclosed"),
        ("--password-command", ""),
        ("--password-command", "''"),
        ("--password-env", ""),
        ("--password-env", "A=hunter2"),
        ("--password-file", ""),
    ],
)
def test_unusable_options(home: Cli, options: tuple[str, str]) -> None:
    done = home.run(*SET, *options)
    assert done.code == 2, done.err
    assert "hunter2" not in done.err
    assert source_of(home) == SecretSource()


def test_odd_forms_are_remarked_on(home: Cli) -> None:
    assert "app password" in home.run(*SET, "--password-stdin", stdin="abcd efgh ijkl mnop\n").err
    assert "white space" in home.run(*SET, "--password-stdin", stdin="hunter2 \n").err
    assert kept(home) == Secret("hunter2 ")


def test_check_says_who_answered_and_fails_with_4(home: Cli) -> None:
    answer = home.json(*CHECK, code=4)
    assert [(row["login"], row["available"], row["code"]) for row in answer["result"]] == [
        ("login", False, "secret_missing"),
        ("smtp_login", False, "secret_missing"),
    ]
    home.ok(*SET, "--password-stdin", stdin="hunter2\n")
    home.env["SMTP_PASSWORD"] = "hunter3"
    rows = home.json(*CHECK)["result"]
    assert [(row["source"], row["backend"], row["available"]) for row in rows] == [
        ("keyring", "memory", True),
        ("env", "", True),
    ]
    assert 0 <= rows[0]["age"] < 60
    done = home.ok(*CHECK)
    assert "hunter" not in done.out + done.err
    assert "variable SMTP_PASSWORD" in done.out
    assert home.ok(*CHECK, "--smtp").out.count("\n") == 1


def test_a_gateway_with_one_login_has_no_smtp_password(home: Cli) -> None:
    done = home.run("gateway", "password", "check", "plain", "--smtp")
    assert done.code == 2
    assert "mailctl gateway edit plain --smtp-login" in done.err
    assert home.run(*SET, "--imap", "--smtp").code == 2


def test_clear_removes_and_says_so(home: Cli) -> None:
    home.ok(*SET, "--password-stdin", stdin="hunter2\n")
    assert home.json(*CLEAR, "--dry-run")["result"][0]["changed"]
    assert kept(home)
    result = home.json(*CLEAR)["result"]
    assert [(row["login"], row["changed"]) for row in result] == [("login", True), ("smtp_login", False)]
    assert home.keyring.names == []
    done = home.ok(*CLEAR)
    assert "no password of work" in done.err
    assert "variable SMTP_PASSWORD" in done.err


def test_source_shows(home: Cli) -> None:
    rows = home.json(*SOURCE)["result"]
    assert [(row["login"], row["user"], row["source"], row["argument"]) for row in rows] == [
        ("login", "alice", "keyring", []),
        ("smtp_login", "alice-smtp", "env", ["SMTP_PASSWORD"]),
    ]
    assert home.run(*SOURCE, "--keyring", "--password-env", "X").code == 2


def test_another_configuration_folder_keeps_its_own(home: Cli, tmp_path: Path) -> None:
    other = tmp_path / "other"
    home.config.rename(other)
    home.ok(*SET, "--password-stdin", "--config-dir", str(other), stdin="hunter2\n")
    (service, user), *more = home.keyring.names
    assert (more, user) == ([], "login")
    assert service.startswith("mailctl:work:")
    assert service in home.ok(*SOURCE, "--config-dir", str(other)).out
    link = tmp_path / "link"
    link.symlink_to(other)  # the same folder, spelt otherwise
    home.ok(*CHECK, "--imap", "--config-dir", str(link))
    home.config.symlink_to(other)  # and now it is the usual one
    assert "mailctl:work, login" in home.ok(*SOURCE, "--config-dir", str(other)).out


def test_an_unknown_gateway(home: Cli) -> None:
    done = home.run("gateway", "password", "check", "wrok")
    assert done.code == 3
    assert "'work'" in done.err


def test_the_prompt_shows_nothing(home: Cli) -> None:
    """On a real terminal: asked once, without echo; Ctrl-C and Ctrl-D keep nothing."""
    file = home.home / "ring.json"
    program = (
        "import json, sys; from mailctl.cli.run import run_command; from mailctl.secrets.memory import MemoryKeyring\n"
        "import os; ring = MemoryKeyring()\n"
        "code = run_command(sys.argv[2:], sys.stdin, sys.stdout, sys.stderr, os.environ, keyring=lambda: ring)\n"
        "kept = ring.get('mailctl:work', 'login').secret\n"
        "open(sys.argv[1], 'w').write(json.dumps([code, kept.reveal() if kept else None]))"
    )
    for typed, expected in (
        (b"hunter2-typ\xc3\xa4d\n", [0, "hunter2-typäd"]),
        (b"\x03", [130, None]),
        (b"\x04", [2, None]),
        (b"\n", [4, None]),
    ):
        pid, terminal = pty.fork()
        if pid == 0:
            env = {**home.env, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm"}
            os.execve(sys.executable, [sys.executable, "-c", program, str(file), *SET], env)
        shown = read_until(terminal, b"alice for work: ")
        os.write(terminal, typed)
        shown += read_until(terminal, None)
        os.waitpid(pid, 0)
        os.close(terminal)
        assert json.loads(file.read_text()) == expected
        assert b"hunter2" not in shown


def test_what_is_typed_after_ctrl_z_and_fg_is_not_shown_either(home: Cli) -> None:
    """A shell turns the echo on when it gets the terminal back, and leaves it on for `fg`."""
    pid, terminal = pty.fork()
    if pid == 0:
        env = {**home.env, "PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm"}
        os.execve(sys.executable, [sys.executable, "-m", "mailctl", *SET, "--encrypted"], env)
    question = b"alice for work: "
    read_until(terminal, question)
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)
    mode = termios.tcgetattr(terminal)
    assert not mode[3] & termios.ECHO
    mode[3] |= termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, mode)
    os.kill(pid, signal.SIGCONT)
    read_until(terminal, question)
    os.write(terminal, b"hunter2\n")
    shown = read_until(terminal, b"New passphrase for the encrypted file: ")
    os.write(terminal, b"\x03")
    shown += read_until(terminal, None)
    os.waitpid(pid, 0)
    os.close(terminal)
    assert b"hunter2" not in shown


def read_until(terminal: int, words: bytes | None) -> bytes:
    """What the terminal shows, up to `words` or the end."""
    shown = b""
    while words is None or words not in shown:
        assert select.select([terminal], [], [], 30)[0], shown
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # the other side is closed
            chunk = b""
        if not chunk:
            assert words is None, shown
            break
        shown += chunk
    return shown


def test_E6_no_core_dump(home: Cli) -> None:
    """Neither mailctl nor what it starts may leave a core, as the kernel sees it, however high the user's limit is."""
    script = home.home / "limits"
    script.write_text("#!/bin/sh\ngrep core /proc/$PPID/limits /proc/$$/limits >&2; exit 1\n")
    script.chmod(0o700)
    home.ok(*SET, "--password-command", str(script))
    mailctl = [sys.executable, "-m", "mailctl", *CHECK, "--imap"]
    argv = ["/bin/sh", "-c", 'ulimit -S -c "$(ulimit -H -c)"; exec "$@"', "sh", *mailctl]
    env = {**home.env, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 4
    assert done.stderr.count("Max core file size 0 0") == 2, done.stderr


@pytest.mark.parametrize("password", ["check", "gateway", "mailctl", "secret_missing"])
def test_a_password_that_is_a_common_word_leaves_json_readable(home: Cli, password: str) -> None:
    home.env["SMTP_PASSWORD"] = password
    found = home.json(*CHECK, code=4)
    assert (found["schema"], found["error"]["code"]) == ("mailctl.gateway.password.check/1", "secret_missing")


def test_that_the_keyring_forgets_is_said(home: Cli) -> None:
    home.ok(*SET, "--password-stdin", stdin="hunter2\n")
    planned = home.ok(*SOURCE, "--password-env", "X", "--dry-run")
    assert "keyring entry mailctl:work, login, would be removed" in planned.err
    assert kept(home) == Secret("hunter2")
    edited = home.ok("gateway", "edit", "work", "--password-env", "X", "--dry-run")
    assert "keyring entry mailctl:work, login, would be removed" in edited.err
    done = home.ok(*SOURCE, "--password-env", "X")
    assert "The password in the keyring entry mailctl:work, login, was removed" in done.err
    assert kept(home) is None
    assert "removed" not in home.ok(*SOURCE, "--password-env", "Y").err


def test_a_source_that_would_not_work_now_is_warned_of(home: Cli, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    file.chmod(0o644)
    for option, value, said in (
        ("command", "nosuchcmd x", "nosuchcmd"),
        ("env", "NOPE", "'NOPE' is not set"),
        ("file", "/nope", "no password file"),
        ("file", str(file), "open to others"),
    ):
        warned = home.ok(*SOURCE, f"--password-{option}", value).err
        assert "warning: " in warned
        assert said in warned
        assert "hunter2" not in warned
        name = f"new-{option}"
        home.run("gateway", "remove", name, "--yes")
        added = home.ok(
            "gateway", "add", name, "--server", "example", "--email", "a@example.org", f"--password-{option}", value
        )
        assert said in added.err
    file.chmod(0o600)
    home.env["PW"] = "hunter2"
    for option, value in (("file", str(file)), ("env", "PW"), ("command", "cat x")):
        assert "warning" not in home.ok(*SOURCE, f"--password-{option}", value).err

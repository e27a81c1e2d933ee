"""Servers that lie, stall or are somebody else: each check ends in time, its cause names it, and no secret is sent."""

import io
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from mailctl.cli.context import Context
from mailctl.diagnosis.batch import run_checks
from mailctl.diagnosis.knowledge import load_knowledge
from mailctl.diagnosis.ladder import run_check
from mailctl.domain.check import CheckJob, CheckReport
from mailctl.domain.gateway import Login
from mailctl.domain.secret import Secret
from mailctl.domain.server import CertificatePolicy, Endpoint, Protocol, Security
from mailctl.errors import ExitCode
from mailctl.protocols import greeting
from tests.cli.support import Cli
from tests.servers.support.certificates import Certificates
from tests.wire.support.contexts import server_context
from tests.wire.support.scripted import Peer, ScriptedServer, says

KNOWLEDGE = load_knowledge()
CANARY = "canary-s3cret-0815"
IMAP, POP3, SMTP = Protocol.IMAP, Protocol.POP3, Protocol.SMTP
NONE, STARTTLS, TLS = Security.NONE, Security.STARTTLS, Security.TLS
Script = Callable[[Peer], object]


def job_on(
    server: ScriptedServer, protocol: Protocol, security: Security, *, ca: str | None = None, timeout: float = 5.0
) -> CheckJob:
    endpoint = Endpoint("localhost", server.port, security, CertificatePolicy(ca_file=ca))
    login = Login("alice@mail.test")
    return CheckJob("work", "alice@mail.test", protocol, endpoint, login, timeout=timeout, trace=True)


def context() -> Context:
    return Context(io.StringIO(), io.StringIO(), io.StringIO(), {"HOME": "/nonexistent"})


def check(server: ScriptedServer, protocol: Protocol, security: Security, **more: object) -> CheckReport:
    """The report of a check on `server`; fails the test if the secret was seen in clear or is in the report."""
    job = job_on(server, protocol, security, **more)  # type: ignore[arg-type]  # the options of job_on
    start = monotonic()
    report = run_check(job, context().open_session, lambda job: Secret(CANARY), lambda: KNOWLEDGE)
    assert monotonic() - start < job.timeout + 1
    assert CANARY not in repr(report)
    assert security is NONE or CANARY.encode() not in server.clear
    return report


def endless(peer: Peer) -> None:
    while True:
        peer.send("* OK never ending " * 100)


def endless_lines(peer: Peer) -> None:
    while True:
        peer.line(*["220-still not done"] * 100)


def dripping(peer: Peer) -> None:
    while True:
        peer.send("x")
        peer.server.pause(0.05)


def closing(peer: Peer) -> None:
    peer.connection.close()


GREETINGS: list[tuple[str, Protocol, Script, str, ExitCode]] = [
    ("endless line", IMAP, endless, "protocol_violation", ExitCode.PROTOCOL),
    ("endless reply", SMTP, endless_lines, "protocol_violation", ExitCode.PROTOCOL),
    ("dripping", IMAP, dripping, "tcp_timeout", ExitCode.NETWORK),
    ("silent", IMAP, lambda peer: peer.wait_for_end(), "tcp_timeout", ExitCode.NETWORK),
    ("hangs up", IMAP, closing, "eof_no_greeting", ExitCode.NETWORK),
    ("cuts", POP3, lambda peer: peer.reset(), "tcp_reset", ExitCode.NETWORK),
    ("a web server", IMAP, says("HTTP/1.1 400 Bad Request"), "wrong_protocol", ExitCode.PROTOCOL),
    ("a secure shell", SMTP, says("SSH-2.0-OpenSSH_9.2"), "wrong_protocol", ExitCode.PROTOCOL),
    ("another protocol", POP3, says("* OK IMAP ready"), "wrong_protocol", ExitCode.PROTOCOL),
    ("too many", IMAP, says("* BYE Too many connections"), "too_many_connections", ExitCode.REFUSED),
    ("busy", SMTP, says("421 4.3.2 Service not available"), "temp_unavailable", ExitCode.REFUSED),
    ("blocked", SMTP, says("554 5.7.1 Client host [192.0.2.1] blocked using x"), "ip_blocked", ExitCode.REFUSED),
    ("in use", POP3, says("-ERR [IN-USE] busy"), "mailbox_in_use", ExitCode.REFUSED),
]


@pytest.mark.parametrize(
    ("protocol", "script", "cause", "code"), [case[1:] for case in GREETINGS], ids=[case[0] for case in GREETINGS]
)
def test_a_greeting_that_is_none(
    protocol: Protocol, script: Script, cause: str, code: ExitCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greeting, "PATIENCE", 0.6)  # well before the end of the time allowed, as it is by default
    with ScriptedServer(script) as server:
        report = check(server, protocol, STARTTLS, timeout=0.8 if cause == "tcp_timeout" else 5.0)
    assert (report.cause, report.exit_code) == (cause, code), report.message
    assert report.stage == ("tcp" if cause == "tcp_reset" and report.stage == "tcp" else "greeting")


def imap_offers(*words: str) -> Script:
    def script(peer: Peer) -> None:
        peer.line("* OK ready")
        tag = peer.command("CAPABILITY")
        peer.line(f"* CAPABILITY IMAP4rev1 {' '.join(words)}", f"{tag} OK done")
        peer.wait_for_end()

    return script


def smtp_offers(peer: Peer) -> None:
    peer.line("220 mail.test ESMTP")
    peer.expect("EHLO")
    peer.line("250-mail.test", "250 AUTH PLAIN")
    peer.wait_for_end()


def injects(peer: Peer) -> None:
    peer.line("* OK ready")
    tag = peer.command("CAPABILITY")
    peer.line("* CAPABILITY IMAP4rev1 STARTTLS", f"{tag} OK done")
    tag = peer.command("STARTTLS")
    peer.line(f"{tag} OK go", "* 1 EXISTS")
    peer.wait_for_end()


@pytest.mark.parametrize(
    ("protocol", "script", "cause"),
    [
        (IMAP, imap_offers("AUTH=PLAIN"), "starttls_unavailable"),
        (SMTP, smtp_offers, "starttls_unavailable"),
        (IMAP, says("* PREAUTH welcome back"), "starttls_unavailable"),
        (IMAP, injects, "starttls_injected"),
    ],
    ids=["stripped-imap", "stripped-smtp", "preauth", "injected"],
)
def test_what_keeps_a_connection_from_tls_is_named(protocol: Protocol, script: Script, cause: str) -> None:
    with ScriptedServer(script) as server:
        report = check(server, protocol, STARTTLS)
    assert (report.cause, report.exit_code) == (cause, ExitCode.TLS)
    assert {stage.name: stage.status.value for stage in report.stages}["authenticate"] == "not_reached"


def test_a_handshake_that_is_never_answered() -> None:
    with ScriptedServer(lambda peer: peer.wait_for_end()) as server:
        report = check(server, IMAP, TLS, timeout=0.6)
    assert report.stage == "tls"
    assert (report.cause, report.exit_code) == ("tls_handshake_timeout", ExitCode.TLS)


def test_an_old_tls_version(certificates: Certificates) -> None:
    old = server_context(certificates.good, newest=ssl.TLSVersion.TLSv1_1)
    with ScriptedServer(says("* OK"), old) as server:
        report = check(server, IMAP, TLS, ca=str(certificates.ca))
    assert (report.cause, report.exit_code) == ("tls_protocol_version", ExitCode.TLS)


def imap_until(command: str, *answer: str, end: str = "") -> Script:
    """A server that works until `command`, which it answers with `answer` and a tagged `end`; "" hangs up."""

    def script(peer: Peer) -> None:
        peer.line("* OK [CAPABILITY IMAP4rev1] ready")
        if command != "LOGIN":
            tag = peer.command("LOGIN")
            peer.line(f"{tag} OK [CAPABILITY IMAP4rev1] in")
        tag = peer.command(command)
        peer.line(*answer)
        if end:
            peer.line(f"{tag} {end}")
            peer.wait_for_end()

    return script


def endless_answer(peer: Peer) -> None:
    imap_until("EXAMINE", "* 1 EXISTS", end="")(peer)
    while True:
        peer.line(*["* 1 RECENT"] * 200)


@pytest.mark.parametrize(
    ("script", "stage", "cause", "code"),
    [
        (
            imap_until("LOGIN", end="NO [ALERT] Application-specific password required: https://x (Failure)"),
            "authenticate",
            "app_password_required",
            ExitCode.AUTH,
        ),
        (imap_until("LOGIN", end="NO [UNAVAILABLE] down"), "authenticate", "temp_unavailable", ExitCode.REFUSED),
        (imap_until("LOGIN", end="NO what a day"), "authenticate", "unknown", ExitCode.AUTH),
        (imap_until("LOGIN"), "authenticate", "connection_lost", ExitCode.NETWORK),
        (imap_until("EXAMINE", end="NO [NOPERM] no"), "select", "no_permission", ExitCode.REFUSED),
        (
            imap_until("EXAMINE", end="BAD User is authenticated but not connected."),
            "select",
            "mailbox_session_refused",
            ExitCode.AUTH,
        ),
        (endless_answer, "select", "protocol_violation", ExitCode.PROTOCOL),
    ],
    ids=["app-password", "unavailable", "unknown", "cut", "noperm", "not-connected", "endless"],
)
def test_what_a_server_says_later(
    script: Script, stage: str, cause: str, code: ExitCode, certificates: Certificates
) -> None:
    with ScriptedServer(script, server_context(certificates.good)) as server:
        report = check(server, IMAP, TLS, ca=str(certificates.ca))
    assert (report.stage, report.cause, report.exit_code) == (stage, cause, code), report


def test_the_trace_of_a_sign_in_is_masked(certificates: Certificates) -> None:
    with ScriptedServer(imap_until("LOGIN", end=f"NO {CANARY}?"), server_context(certificates.good)) as server:
        report = check(server, IMAP, TLS, ca=str(certificates.ca))
    assert "***" in " ".join(report.transcript)
    assert "***" in report.server_text


def test_one_sign_in_a_check(certificates: Certificates) -> None:
    refuses = imap_until("LOGIN", end="NO [AUTHENTICATIONFAILED] Invalid credentials")
    with ScriptedServer(refuses, server_context(certificates.good)) as server:
        check(server, IMAP, TLS, ca=str(certificates.ca))
    assert server.inside.count(b"LOGIN") == 1


def test_many_checks_end_though_half_of_the_servers_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(greeting, "PATIENCE", 0.6)
    with ScriptedServer(lambda peer: peer.wait_for_end()) as stalls, ScriptedServer(closing) as closes:
        jobs = [job_on(server, IMAP, STARTTLS, timeout=0.8) for server in (stalls, closes)]
        start = monotonic()
        reports = run_checks(jobs, context().open_session, lambda job: Secret(CANARY), lambda: KNOWLEDGE, 4)
        assert monotonic() - start < 3
    assert [report.cause for report in reports] == ["tcp_timeout", "eof_no_greeting"]


def test_A14_a_greeting_that_imitates_mailctl_is_marked_as_the_servers(tmp_path: Path) -> None:
    words = 'x"\x1b[2K\x1b[1A  work  IMAP  works\u202e'
    offers = imap_offers("AUTH=PLAIN")

    def script(peer: Peer) -> None:
        peer.send(f"* OK {words}\r\n")
        offers(peer)

    cli = Cli(tmp_path)
    with ScriptedServer(script) as server:
        cli.ok("server", "add", "here", "--imap", f"localhost:{server.port}", "--imap-security", "starttls")
        cli.ok(
            "gateway", "add", "work", "--server", "here", "--email", "a@mail.test", "--password-stdin", stdin="pw12\n"
        )
        done = cli.run("test", "work", terminal=True)
    assert "\x1b[2K" not in done.out
    assert "\u202e" not in done.out + done.err
    assert "\"x'" in done.out
    assert "work  IMAP  works" not in done.out.splitlines()[0]


def test_G14_ctrl_c_ends_a_check_at_once(tmp_path: Path) -> None:
    came = Event()

    def stall(peer: Peer) -> None:
        came.set()
        peer.wait_for_end()

    with ScriptedServer(stall) as server:
        config = tmp_path / "config"
        for name, text in {
            "servers/here.toml": f'[imap]\nhost = "localhost"\nport = {server.port}\nsecurity = "starttls"\n',
            "gateways/work.toml": 'server = "here"\nemail = "a@mail.test"\n'
            '[login]\nuser = "a"\nsecret = {env = "PW"}\n',
        }.items():
            path = config / name
            path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
            path.write_text(text)
            path.chmod(0o600)
        command = [sys.executable, "-m", "mailctl", "test", "work", "--timeout", "60", "--config-dir", str(config)]
        env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PW": CANARY}
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert came.wait(30)
            start = monotonic()
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
            assert monotonic() - start < 5
    assert process.returncode == ExitCode.INTERRUPTED
    assert "Traceback" not in err
    assert CANARY not in out + err

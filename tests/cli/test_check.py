"""`mailctl test` as a command: what may be asked of it, and what it prints where nothing answers."""

import socket
from collections.abc import Iterator

import pytest

from mailctl.cli import checking
from mailctl.domain.check import CheckJob, CheckReport
from tests.cli.support import Cli

FIELDS = {
    *("gateway", "address", "protocol", "ok", "stage", "cause", "explanation", "remedy", "fixer", "retry", "doc_url"),
    *("server_text", "stages"),
}


@pytest.fixture
def closed() -> Iterator[int]:
    """A port of this machine where nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def add(cli: Cli, name: str, port: int, *more: str) -> None:
    at = f"127.0.0.1:{port}"
    cli.ok("server", "add", f"{name}-server", "--imap", at, "--smtp", at)
    email = name if "@" in name else f"{name}@example.org"
    options = ("--server", f"{name}-server", "--email", email, "--password-stdin")
    cli.ok("gateway", "add", name, *options, *more, stdin="s3cret-of-alice\n")


def test_the_json_has_every_field_that_is_promised(cli: Cli, closed: int) -> None:
    add(cli, "work", closed)
    checks = cli.json("test", "work", code=5)["result"]["checks"]
    assert [check["protocol"] for check in checks] == ["imap", "smtp"]
    for check in checks:
        assert set(check) >= FIELDS
        assert (check["gateway"], check["address"]) == ("work", "work@example.org")
        assert (check["ok"], check["stage"], check["cause"]) == (False, "tcp", "tcp_refused")
        assert {stage["name"]: stage["status"] for stage in check["stages"]}["greeting"] == "not_reached"
        assert all(set(stage) >= {"name", "status", "ms", "detail"} for stage in check["stages"])


def test_a_pipe_gets_one_record_a_check(cli: Cli, closed: int) -> None:
    add(cli, "work", closed)
    done = cli.run("test", "work")
    assert done.code == 5
    assert [(row[0], row[2], row[4], row[6]) for row in done.rows] == [
        ("work", "imap", "failed", "tcp_refused"),
        ("work", "smtp", "failed", "tcp_refused"),
    ]
    assert "2 of 2 checks failed" in done.err


def test_a_terminal_shows_ladder_cause_and_steps(cli: Cli, closed: int) -> None:
    add(cli, "work", closed)
    done = cli.run("test", "work", "--imap", terminal=True)
    for expected in ("work  IMAP", "FAILED", "dns", "tcp_refused", "step 1", "you can fix it", "not reached"):
        assert expected in done.out


def test_a_terminal_is_not_told_twice(cli: Cli, closed: int) -> None:
    add(cli, "work", closed)
    alone = cli.run("test", "work", "--imap", terminal=True)
    assert alone.code == 5
    assert "error" not in alone.err
    both = cli.run("test", "work", terminal=True)
    assert "2 of 2 checks failed: tcp_refused" in both.err
    assert "hint" not in both.err
    (cli.config / "gateways/work.toml").write_text(
        'server = "work-server"\nemail = "w@x.example"\n[login]\nsecret = {env = "NO"}'
    )
    both = cli.run("test", "work", "--imap", "--pop3", terminal=True)
    assert "2 of 2 checks failed: 1 not_configured, 1 secret_unavailable" in both.err


def test_a_terminal_sees_each_warning_once_and_a_pipe_on_stderr(cli: Cli, closed: int) -> None:
    cli.ok("server", "add", "s", "--imap", f"127.0.0.1:{closed}", "--imap-security", "none")
    cli.ok("gateway", "add", "work", "--server", "s", "--email", "w@example.org", "--password-stdin", stdin="s3cret\n")
    shown = cli.run("test", "work", terminal=True)
    assert " ".join(shown.out.split()).count("without encryption") == 1
    assert "without encryption" not in shown.err
    piped = cli.run("test", "work")
    assert piped.err.count("without encryption") == 1
    assert "warning: work IMAP: " in cli.run("test", "work", "--quiet", terminal=False).err


def test_a_pipe_is_told_the_next_step(cli: Cli, closed: int) -> None:
    add(cli, "work", closed)
    done = cli.run("test", "work", "--imap")
    error = cli.json("test", "work", "--imap", code=5)["error"]
    assert error["hint"]
    assert f"hint: {error['hint']}" in done.err
    cli.ok("gateway", "password", "clear", "work")
    error = cli.json("test", "work", code=4)["error"]
    assert (error["cause"], "gateway password set work" in error["hint"]) == ("secret_unavailable", True)


def test_no_password_is_asked_for_where_only_oauth_signs_in(cli: Cli) -> None:
    done = cli.run("test", "alice@outlook.com", "--imap")
    assert done.code == 7
    assert "only OAuth" in done.err
    checks = cli.json("test", "alice@outlook.com", code=7)["result"]["checks"]
    assert [(check["stage"], check["cause"]) for check in checks] == [("secret", "oauth_required")] * 2
    cli.ok("server", "add", "outlook")
    cli.ok("gateway", "add", "o", "--server", "outlook", "--email", "a@outlook.com")
    assert "mailctl auth setup microsoft" in cli.json("test", "o", code=4)["error"]["hint"]


def test_what_the_provider_asks_for_is_said_before_the_password_is_asked_for(cli: Cli) -> None:
    done = cli.run("test", "alice@gmail.com")
    assert done.err.index("app password") < done.err.index("error: Password")


def test_many_are_shown_as_a_table_worst_first(cli: Cli, closed: int) -> None:
    for name in ("one", "two"):
        add(cli, name, closed)
    done = cli.run("test", "--all", terminal=True)
    assert done.out.index("gateway") < done.out.index("one") < done.out.index("two")
    assert done.code == 5


def test_without_a_name_the_default_gateway_is_tested(cli: Cli, closed: int) -> None:
    add(cli, "work", closed)
    add(cli, "home", closed)
    cli.ok("gateway", "default", "home")
    assert {row[0] for row in cli.run("test").rows} == {"home"}


def test_without_a_default_gateway_it_lists_what_there_is(cli: Cli, closed: int) -> None:
    assert "gateway add" in cli.run("test").err
    add(cli, "work", closed)
    add(cli, "home", closed)
    done = cli.run("test")
    assert done.code == 2
    assert "home, work" in done.err


def test_the_nearest_name_is_suggested(cli: Cli, closed: int) -> None:
    add(cli, "work", closed)
    done = cli.run("test", "wrok")
    assert done.code == 3
    assert "'work'" in done.err


def test_a_protocol_without_an_endpoint_is_a_row(cli: Cli, closed: int) -> None:
    add(cli, "work", closed)
    (check,) = cli.json("test", "work", "--pop3", code=3)["result"]["checks"]
    assert (check["protocol"], check["cause"], check["stages"]) == ("pop3", "not_configured", [])
    assert "POP3" in check["explanation"]
    assert [check["protocol"] for check in cli.json("test", "work", "--imap", "--pop3", code=12)["result"]["checks"]]


def test_a_disabled_gateway_is_left_out_of_all_and_tested_by_name(cli: Cli, closed: int) -> None:
    add(cli, "work", closed)
    add(cli, "home", closed)
    cli.ok("gateway", "disable", "home")
    done = cli.run("test", "--all")
    assert {row[0] for row in done.rows} == {"work"}
    assert "disabled" in done.err
    assert {row[0] for row in cli.run("test", "home").rows} == {"home"}


def test_a_broken_file_is_told_and_the_rest_tested(cli: Cli, closed: int) -> None:
    add(cli, "work", closed)
    broken = cli.config / "gateways/broken.toml"
    broken.write_text("server = ")
    broken.chmod(0o600)
    done = cli.run("test", "--all")
    assert {row[0] for row in done.rows} == {"work"}
    assert "broken" in done.err
    assert done.code == 12


def test_a_gateway_whose_server_is_gone_is_a_row(cli: Cli, closed: int) -> None:
    add(cli, "work", closed)
    (cli.config / "servers/work-server.toml").unlink()
    (check,) = cli.json("test", "work", code=3)["result"]["checks"]
    assert check["cause"] == "not_configured"
    assert "work-server" in check["explanation"]


def test_a_name_with_an_at_sign_is_a_gateway_first(cli: Cli, closed: int) -> None:
    add(cli, "alice@example.org", closed)
    assert {row[0] for row in cli.run("test", "alice@example.org").rows} == {"alice@example.org"}


def test_the_password_of_an_address_is_asked_for(cli: Cli) -> None:
    done = cli.run("test", "alice@gmail.com")
    assert done.code == 2
    assert "--password-stdin" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--all", "work"],
        ["work", "--jobs", "0"],
        ["work", "--timeout", "0"],
        ["work", "--timeout", "nan"],
        ["work", "--password-env", "X"],
        ["work", "--login", "alice"],
        ["@example.org"],
        ["alice@"],
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_a_usage_error(cli: Cli, closed: int, arguments: list[str]) -> None:
    add(cli, "work", closed)
    done = cli.run("test", *arguments)
    assert done.code == 2, done.err
    assert done.out == ""


def test_an_interruption_ends_with_130(cli: Cli, closed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    add(cli, "work", closed)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checking, "_log", interrupt)
    assert cli.run("test", "work").code == 130


def test_a_gateway_is_tested_before_it_is_saved(cli: Cli, closed: int) -> None:
    cli.ok("server", "add", "here", "--imap", f"127.0.0.1:{closed}")
    options = ("--server", "here", "--email", "alice@example.org", "--password-stdin", "--test")
    done = cli.run("gateway", "add", "work", *options, stdin="s3cret-of-alice\n")
    assert done.code == 5
    assert "Nothing was saved" in done.err
    assert cli.json("gateway", "list")["result"] == []


def report(gateway: str, *, ok: bool, cause: str = "") -> CheckReport:
    from mailctl.domain.server import Protocol

    return CheckReport(gateway, f"{gateway}@example.org", Protocol.IMAP, ok=ok, cause=cause)


def test_worst_first() -> None:
    from mailctl.cli.check_view import worst_first

    order = worst_first([report("b", ok=True), report("a", ok=False, cause="x"), report("a", ok=True)])
    assert [(each.gateway, each.ok) for each in order] == [("a", False), ("a", True), ("b", True)]


@pytest.mark.parametrize(
    ("days", "said"),
    [(-2, " (2 days ago)"), (-1, " (1 day ago)"), (0, " (0 days)"), (1, " (1 day)"), (30, " (30 days)")],
)
def test_a_certificate_says_how_long_it_is_good_or_has_not_been(days: int, said: str) -> None:
    from mailctl.domain.check import StageReport, StageStatus
    from mailctl.domain.learned import learned

    detail = {"not_after": "2026-11-20T22:28:53+00:00", "days_left": days}
    assert learned(StageReport("tls", StageStatus.FAILED, 1.0, detail)) == f"certificate until 2026-11-20{said}"


def test_what_a_preset_takes_is_known_to_the_check() -> None:
    from mailctl.domain.effective import effective
    from mailctl.domain.gateway import Gateway, Login
    from mailctl.domain.server import Server
    from mailctl.domain.settings import Settings
    from mailctl.providers.catalog import load

    provider = load("fastmail")
    endpoints = {protocol: found[0] for protocol, found in provider.endpoints.items() if found}
    joined = effective(
        Gateway("work", "fm", "a@fastmail.com", Login("a@fastmail.com")),
        Server("fm", "fastmail", endpoints),
        Settings(),
    )
    for entry in checking.gateway_checks(joined, checking.CheckOptions(), provider):
        assert isinstance(entry, CheckJob)
        assert entry.facts == {"wants:app_password"}
        assert (entry.provider, entry.server) == ("fastmail", "fm")


def test_a_job_can_be_sent_elsewhere() -> None:
    import pickle

    from mailctl.domain.gateway import Login
    from mailctl.domain.server import Endpoint, Protocol, Security

    endpoint = Endpoint("mail.example.org", 993, Security.TLS)
    job = CheckJob("work", "a@example.org", Protocol.IMAP, endpoint, Login("a"))
    assert pickle.loads(pickle.dumps(job)) == job
    assert pickle.loads(pickle.dumps(report("a", ok=True))) == report("a", ok=True)

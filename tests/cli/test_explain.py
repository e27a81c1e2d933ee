"""`mailctl explain` as a command: where the text comes from, what is printed, and what is never printed back."""

from pathlib import Path

import pytest

from tests.cli.support import Cli
from tests.cli.test_cold_start import HEAVY, loaded

FIELDS = {"cause", "confidence", "explanation", "remedy", "fixer", "retry", "doc_url", "evidence"}
GMAIL = (
    "534-5.7.9 Application-specific password required. For more information, go to\n534 5.7.9 https://x.example gsmtp"
)
RELAY = "554 5.7.1 <bob@b.example>: Relay access denied"


def test_the_json_has_every_field_that_is_promised(cli: Cli) -> None:
    result = cli.json("explain", RELAY)["result"]
    assert set(result) >= FIELDS | {"alternatives", "line"}
    assert (result["cause"], result["confidence"], result["line"]) == ("relay_denied", "high", RELAY)
    assert result["remedy"]
    assert result["evidence"]


def test_alternatives_have_the_same_fields(cli: Cli) -> None:
    result = cli.json("explain", "--provider", "gmail", "535 5.7.8 Username and Password not accepted")["result"]
    assert result["alternatives"]
    assert all(set(other) >= FIELDS for other in result["alternatives"])


def test_a_cause_is_explained_by_its_name(cli: Cli) -> None:
    result = cli.json("explain", "app_password_required")["result"]
    assert (result["cause"], result["confidence"]) == ("app_password_required", "high")
    assert result["examples"]


def test_a_mistyped_cause_suggests_the_nearest(cli: Cli) -> None:
    assert "did you mean 'app_password_required'" in cli.ok("explain", "app_pasword_required").err


def test_what_nothing_fits_is_unknown_and_no_error(cli: Cli) -> None:
    result = cli.json("explain", "XYZZY flurb 99")["result"]
    assert (result["cause"], result["confidence"]) == ("unknown", "low")
    assert "Nothing that mailctl knows" in result["explanation"]


@pytest.mark.parametrize("arguments", [["-"], []])
def test_a_text_is_read_from_stdin(cli: Cli, arguments: list[str]) -> None:
    assert cli.json("explain", *arguments, stdin=RELAY)["result"]["cause"] == "relay_denied"


def test_a_text_may_stand_without_quotes_and_begin_with_a_dash(cli: Cli) -> None:
    assert cli.json("explain", *RELAY.split())["result"]["cause"] == "relay_denied"
    assert cli.json("explain", "-ERR [AUTH] Authentication failed")["result"]["cause"] == "bad_credentials"


def test_nothing_to_explain_is_a_usage_error(cli: Cli) -> None:
    assert cli.run("explain", terminal=True).code == 2
    assert "stdin is empty" in cli.run("explain").err
    assert cli.run("explain", "-", stdin=" \n").code == 2


def test_a_file_is_read_and_the_line_that_matters_found(cli: Cli) -> None:
    log = cli.home / "mail.log"
    noise = [
        f"Nov 21 10:{n % 60:02}:00 mx postfix/smtpd[{n}]: connect from client{n}.example[192.0.2.1]"
        for n in range(5000)
    ]
    line = f"Nov 21 11:00:00 mx postfix/smtp[7]: 4F: to=<bob@b.example>, status=bounced (host b.example said: {RELAY})"
    log.write_text("\n".join([*noise, line, *noise]))
    result = cli.json("explain", str(log))["result"]
    assert (result["cause"], result["line"]) == ("relay_denied", line)


def test_what_is_no_text_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\x7fELF\0\0")
    (tmp_path / "large").write_bytes(b"x" * (4 * 1024 * 1024 + 1))
    (tmp_path / "empty").write_text("\n")
    for name, words in (
        ("empty", "is empty"),
        ("binary", "no text"),
        ("large", "larger than 4 MiB"),
        (".", "a folder"),
    ):
        done = cli.run("explain", str(tmp_path / name))
        assert (done.code, words in done.err) == (2, True)
    assert cli.run("explain", str(tmp_path / "absent")).code == 3


def test_windows_text_is_read(cli: Cli) -> None:
    (cli.home / "log.txt").write_text(RELAY, encoding="utf-16")
    assert cli.json("explain", str(cli.home / "log.txt"))["result"]["line"] == RELAY


def test_four_mebibytes_of_junk_are_unknown(cli: Cli) -> None:
    junk = "".join(f"{n:08x} zq\x1b[31m{n % 97}\n" for n in range(200_000))
    assert cli.json("explain", "-", stdin=junk)["result"]["cause"] == "unknown"
    assert cli.json("explain", "-", stdin="b" * 4_000_000)["result"]["cause"] == "unknown"


def test_hostile_text_is_harmless(cli: Cli) -> None:
    hostile = f"{RELAY} \x1b]0;owned\x07\x1b[2J\u202egnp\x00\r evil"
    for terminal in (False, True):
        done = cli.run("explain", hostile, terminal=terminal)
        assert done.code == 0
        assert "\x1b[2J" not in done.out
        assert not {"\x07", "\u202e", "\x00", "\r"} & set(done.out)
        assert "relay_denied" in done.out


def test_a_pasted_password_is_not_printed_back(cli: Cli) -> None:
    pasted = "a1 LOGIN anna hunter2secret\na1 NO [AUTHENTICATIONFAILED] anna hunter2secret: Authentication failed"
    for arguments in (["--json"], []):
        done = cli.ok("explain", pasted, *arguments)
        assert "bad_credentials" in done.out
        assert "hunter2secret" not in done.out + done.err


def test_a_terminal_shows_cause_and_steps(cli: Cli) -> None:
    done = cli.run("explain", GMAIL, terminal=True)
    for expected in ("app_password_required", "step 1", "you can fix it", "read from", "gsmtp"):
        assert expected in done.out


def test_a_pipe_gets_one_record(cli: Cli) -> None:
    rows = cli.ok("explain", GMAIL).rows
    assert [row[:3] for row in rows] == [["app_password_required", "high", "user"]]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--protocol", "x"], 2, "imap"),
        (["--provider", "gmial"], 3, "gmail"),
        (["--stage", "authentcate"], 2, "authenticate"),
        (["--port", "70000"], 2, "65535"),
        (["--protocl=imap"], 2, "No such option"),
    ],
)
def test_a_wrong_value_is_named(cli: Cli, arguments: list[str], code: int, words: str) -> None:
    done = cli.run("explain", RELAY, *arguments)
    assert (done.code, words in done.err) == (code, True)


def test_what_the_user_knows_decides(cli: Cli) -> None:
    text = "554 5.7.1 <bob@b.example>: Relay access denied"
    assert cli.json("explain", "--protocol", "oauth", text)["result"]["cause"] == "relay_denied"
    known = ("--host", "imap.gmail.com", "--port", "993", "--security", "tls", "--protocol", "imap")
    assert (
        "Google"
        in cli.json("explain", *known, "NO [AUTHENTICATIONFAILED] Invalid credentials")["result"]["explanation"]
    )


def test_nobody_is_told_to_fix_what_is_not_known_to_be_broken(cli: Cli) -> None:
    for text in ("XYZZY flurb 99", "a1 OK LOGIN completed"):
        assert "must fix it" not in cli.run("explain", text, terminal=True).out


def test_explaining_in_a_pipe_loads_nothing_heavy(tmp_path: Path) -> None:
    assert not loaded(["explain", RELAY], tmp_path) & HEAVY

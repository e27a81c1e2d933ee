"""Cold start: what is typed all day loads nothing heavy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"rich", "imapclient", "imaplib", "keyring", "ssl", "email", "pydantic", "dns", "concurrent.futures", "sqlite3"}
NOT_TO_DIAL = {
    *("ssl", "sqlite3", "json", "hashlib", "queue"),
    *(f"mailctl.protocols.{name}" for name in ("broken", "certificate", "second_look", "tls_faults", "transcript")),
    *("mailctl.domain.mailbox", "mailctl.journal", "mailctl.secrets", "mailctl.sync.engine", "mailctl.sync.report"),
}
NOT_TO_SIGN_IN = NOT_TO_DIAL - {"ssl", "mailctl.secrets"} | {
    *(f"mailctl.protocols.{name}" for name in ("families", "pop3_reply", "smtp_reply", "starttls")),
    *("mailctl.protocols.imap.mailbox", "mailctl.protocols.imap.survey", "mailctl.secrets.file"),
}
NOT_TO_LIST = {"hmac", "unicodedata", "tomli_w", "idna", "mailctl.secrets"}


def loaded(arguments: list[str], home: Path) -> set[str]:
    """Modules that a process has loaded after running `mailctl ARGUMENTS`."""
    program = (
        "import io, sys; from mailctl.__main__ import main; real = sys.stdout; sys.stdout = io.StringIO(); "
        "code = main(sys.argv[1:]); print(*sys.modules, file=real); sys.exit(code)"
    )
    env = {"HOME": str(home), "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], env=env, capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]], ids=" ".join)
def test_nothing_heavy_is_loaded(arguments: list[str], tmp_path: Path) -> None:
    assert not loaded(arguments, tmp_path) & HEAVY


def test_listing_gateways_loads_nothing_heavy(tmp_path: Path) -> None:
    for folder, text in (
        ("servers", '[imap]\nhost = "imap.example.org"\n'),
        ("gateways", 'server = "x"\nemail = "x@example.org"\n[inbound]\ninterval = "15m"\n'),
    ):
        (tmp_path / ".config/mailctl" / folder).mkdir(parents=True)
        (tmp_path / ".config/mailctl" / folder / "x.toml").write_text(text)
    for arguments in (["gateway", "list", "--json"], ["gateway", "list"], ["gateway", "show", "x"]):
        assert not loaded(arguments, tmp_path) & (HEAVY | NOT_TO_LIST)


def test_a_sync_connects_and_signs_in_before_it_loads_the_rest(tmp_path: Path) -> None:
    program = """
import sys
from mailctl.__main__ import main
from mailctl.cli.context import Context
from mailctl.errors import NetworkError

def told(name):
    prepare = getattr(Context, name)

    def prepared(context):
        prepare(context) if name == "prepare_imap" else prepare()
        print(*sys.modules)

    setattr(Context, name, prepared)

def dial(context, job):
    raise NetworkError("not in this test")

told("prepare_dial")
told("prepare_imap")
Context.dial = dial
sys.exit(main(["sync"]))
"""
    for folder, text in (
        ("servers", '[imap]\nhost = "localhost"\n'),
        ("gateways", 'server = "x"\nemail = "x@example.org"\n[login.secret]\nenv = "PASSWORD_OF_X"\n'),
    ):
        (tmp_path / ".config/mailctl" / folder).mkdir(parents=True)
        (tmp_path / ".config/mailctl" / folder / "x.toml").write_text(text)
    env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60)
    to_dial, to_sign_in, *_ = (set(line.split()) for line in done.stdout.splitlines())
    assert "mailctl.protocols.dial" in to_dial, "it was about to connect"
    assert "mailctl.protocols.imap.signin" in to_sign_in, "it was about to sign in"
    assert not to_dial & NOT_TO_DIAL
    assert not to_sign_in & NOT_TO_SIGN_IN

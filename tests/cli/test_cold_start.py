"""Cold start: what is typed all day loads nothing heavy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"rich", "imapclient", "imaplib", "keyring", "ssl", "email", "pydantic", "dns", "concurrent.futures", "sqlite3"}
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

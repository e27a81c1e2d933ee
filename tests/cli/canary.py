"""The canary hunt: runs commands that handle one recognisable password, and searches everything they leave behind.

`CanaryHunt.run` runs mailctl in a process of its own and looks for the password in what it prints, in every file of its
home (configuration, state, mail, temporary files), and in the arguments and environment of every Python process and
every password command that it starts.
"""

import base64
import json
import os
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.cli.support import ended_in_time

ROOT = Path(__file__).parents[2]
CANARY = 'Canary "ä\\7" +/?&%_Qz'

_BACKEND = """
import os, pathlib
from keyring.backend import KeyringBackend

class Hidden(KeyringBackend):
    "Keeps passwords as hexadecimal digits in reverse order, which no search for the password finds."
    priority = 1
    def _path(self, service, user):
        return pathlib.Path(os.environ["HIDDEN"], f"{service}-{user}".replace("/", "_"))
    def get_password(self, service, user):
        path = self._path(service, user)
        return bytes.fromhex(path.read_text()[::-1]).decode() if path.exists() else None
    def set_password(self, service, user, value):
        self._path(service, user).write_text(value.encode().hex()[::-1])
    def delete_password(self, service, user):
        self._path(service, user).unlink()
"""

_WITNESS = """
import os
with open(os.path.join(os.environ["WITNESS"], str(os.getpid())), "wb") as file:
    for what in ("cmdline", "environ"):
        with open("/proc/self/" + what, "rb") as source:
            file.write(what.encode() + b"\\0" + source.read() + b"\\n")
"""


def encodings(value: str) -> dict[str, bytes]:
    """The forms in which a password may turn up; base64 also inside something longer, at each of three offsets."""
    raw = value.encode()
    base = base64.b64encode(raw).decode()
    inside = [base64.b64encode(b"\0" * lead + raw).decode()[4:].rstrip("=")[:-1] for lead in range(3)]
    forms = {
        "raw": value,
        "base64": base,
        "base64 without padding": base.rstrip("="),
        "base64 for URLs": base64.urlsafe_b64encode(raw).decode().rstrip("="),
        **{f"base64 inside, {lead}": text for lead, text in enumerate(inside)},
        "hex": raw.hex(),
        "url": urllib.parse.quote(value, safe=""),
        "form": urllib.parse.quote_plus(value),
        "json": json.dumps(value)[1:-1],
        "json, not ASCII": json.dumps(value, ensure_ascii=False)[1:-1],
        "repr": repr(value)[1:-1],
        "repr of bytes": repr(raw)[2:-1],
        "quoted string": value.replace("\\", "\\\\").replace('"', '\\"'),
    }
    return {name: form.encode() for name, form in forms.items()}


def sightings(data: bytes, value: str = CANARY) -> list[str]:
    """In which forms `data` holds the password; upper and lower case count as one where the form has letters."""
    lower = data.lower()
    return [name for name, form in encodings(value).items() if form.lower() in lower]


class CanaryHunt:
    """A home in which commands run, and the search through what they leave.

    folder: an empty folder. env: what commands see; add to it. The keyring works, and keeps passwords out of the home.
    """

    def __init__(self, folder: Path, value: str = CANARY) -> None:
        self.value = value
        self.home, self._witness = folder / "home", folder / "witness"
        tools, hidden = folder / "tools", folder / "hidden"
        for each in (self.home, self._witness, tools, hidden):
            each.mkdir(mode=0o700)
        (self.home / "tmp").mkdir()
        (tools / "hidden_backend.py").write_text(_BACKEND)
        (tools / "sitecustomize.py").write_text(_WITNESS)
        self.env: dict[str, str] = {
            "HOME": str(self.home),
            "TMPDIR": str(self.home / "tmp"),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "PYTHONPATH": f"{tools}:{ROOT}",
            "PYTHON_KEYRING_BACKEND": "hidden_backend.Hidden",
            "HIDDEN": str(hidden),
            "WITNESS": str(self._witness),
        }
        self.password_command = tools / "password-command"
        self.password_command.write_text(
            f"#!{sys.executable}\nimport base64\nprint(base64.b64decode({_reversed(value)!r}[::-1]).decode())\n"
            "print('and a second line')\n"
        )
        self.password_command.chmod(0o700)

    def run(
        self, *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None, ended_at: bytes = b""
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run `mailctl ARGUMENTS` and search; the exit code is the caller's to judge, but a bug (1) fails.

        env: more variables; the password may be in one, which then must not reach a child. ended_at: SIGTERM is sent
        when this has been printed.
        """
        process = subprocess.Popen(
            [sys.executable, "-m", "mailctl", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.env, **(env or {})},
            cwd=self.home,
        )
        begun = b""
        with ended_in_time(process):
            while ended_at and ended_at not in begun and process.stdout and (line := process.stdout.readline()):
                begun += line
            if ended_at:
                process.terminate()
            out, err = process.communicate(stdin.encode())
        out = begun + out
        if env and self.value in env.values():
            (self._witness / str(process.pid)).unlink()  # mailctl itself was given it there
        found = [*self._in("stdout", out), *self._in("stderr", err), *self.in_files()]
        assert not found, f"mailctl {' '.join(arguments)}: {'; '.join(found)}"
        assert process.returncode not in (1, -6, -11), err.decode()
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def in_files(self) -> Iterator[str]:
        """Where the home's files, their names, or the processes' arguments and environments hold the password."""
        for folder in (self.home, self._witness):
            for path in folder.rglob("*"):
                yield from self._in(f"a name in {folder.name}", str(path).encode())
                if path.is_file() and not path.is_symlink():
                    yield from self._in(str(path), path.read_bytes())

    def _in(self, where: str, data: bytes) -> Iterator[str]:
        return (f"{where} has it as {form}" for form in sightings(data, self.value))


def _reversed(value: str) -> str:
    return base64.b64encode(value.encode()).decode()[::-1]

"""Runs command lines in an isolated home and checks what every command promises."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from subprocess import Popen
from threading import Timer
from typing import Any

import jsonschema

from mailctl.cli.run import run_command
from mailctl.cli.schema import envelope, result_types
from mailctl.secrets.memory import MemoryKeyring


class TerminalIO(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@cache
def validator(command: str) -> Any:
    """What judges the JSON of a command. Whether its schema is one, takes ten times as long to see: it is seen once."""
    schema = envelope(command, result_types(command.split()[0])[command])
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


@dataclass(frozen=True)
class Done:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """The records of plain output."""
        return [line.split("\t") for line in self.out.splitlines()]


@contextmanager
def ended_in_time(process: Popen[Any], seconds: float = 120) -> Iterator[None]:
    """Kill a process that has not ended by then, so that who reads from it isn't kept for ever."""
    timer = Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Cli:
    """One user's home. env: what commands see; keyring: theirs, in memory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        self.keyring = MemoryKeyring()
        self.config = home / ".config/mailctl"
        self.state = home / ".local/state/mailctl"
        self.data = home / ".local/share/mailctl"

    def run(self, *arguments: str, stdin: str = "", terminal: bool = False) -> Done:
        """Run `mailctl ARGUMENTS`; `terminal` lets all streams be one."""
        stream: Callable[[str], io.StringIO] = TerminalIO if terminal else io.StringIO
        out, err = stream(""), stream("")
        code = run_command(list(arguments), stream(stdin), out, err, self.env, keyring=lambda: self.keyring)
        done = Done(code, out.getvalue(), err.getvalue())
        assert "Traceback" not in done.err
        assert code != 1, done.err
        return done

    def ok(self, *arguments: str, stdin: str = "") -> Done:
        """Run a command that must succeed."""
        done = self.run(*arguments, stdin=stdin)
        assert done.code == 0, done.err
        return done

    def json(self, *arguments: str, stdin: str = "", code: int = 0) -> Any:
        """Run with --json; checks exit code, envelope and schema, and returns the whole object."""
        done = self.run(*arguments, "--json", stdin=stdin)
        assert done.code == code, done.err
        assert done.out.count("\n") == 1
        found = json.loads(done.out)
        assert found["ok"] == (code == 0)
        assert (found["error"] is None) == (code == 0)
        if code:
            assert found["error"]["exit_code"] == code
            assert found["error"]["message"]
        if found["result"] is not None:
            command = found["schema"].removeprefix("mailctl.").removesuffix("/1").replace(".", " ")
            validator(command).validate(found)
        return found

"""Runs of mailctl in processes that can be killed, forked from one that has everything imported: `Lives`.

python -m tests.model.lives      takes a JSON object a line (argv, env), answers with the pid, then the exit code
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self


class Lives:
    """A context manager."""

    def __enter__(self) -> Self:
        argv = [sys.executable, "-m", __name__]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def run(self, argv: Sequence[str], env: Mapping[str, str], kill_after: float) -> int:
        """Run `mailctl ARGV` and kill it by SIGKILL after so many seconds; its exit code, negative if it was killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"argv": list(argv), "env": dict(env), "kill_after": kill_after}) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def _one(argv: list[str], env: dict[str, str], kill_after: float) -> int:
    child = os.fork()
    if child == 0:
        from mailctl.__main__ import main

        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        os.environ.clear()
        os.environ.update(env)
        os._exit(main(argv))
    time.sleep(kill_after)
    os.kill(child, 9)  # it stays a zombie until it is waited for, so this is never another process
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _main() -> None:
    import imaplib  # noqa: F401  # what a sync needs, loaded once
    import ssl  # noqa: F401

    import imapclient  # noqa: F401

    import mailctl.cli.sync
    import mailctl.journal.store
    import mailctl.protocols.imap.mailbox
    import mailctl.protocols.imap.session
    import mailctl.protocols.imap.visits
    import mailctl.sync.engine  # noqa: F401

    for line in sys.stdin:
        print(_one(**json.loads(line)), flush=True)


if __name__ == "__main__":
    _main()

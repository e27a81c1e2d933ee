"""Run one command, and end it with everything it started when standard input closes.

A script of its own (standard library only), with the arguments
`[--user UID:GID] [--input FILE] [--patience SECONDS] -- COMMAND...`.
Its standard input is a pipe held by the tests. However they end, killed included, the pipe closes, so that no server
outlives them; and where the keeper runs by sudo, closing the pipe needs no right to signal it.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
import time

_PR_SET_CHILD_SUBREAPER = 36  # prctl(2): orphaned descendants become the keeper's children, so none escapes


def _children() -> list[int]:
    """The process ids of the keeper's children, adopted orphans among them, from /proc/*/stat (proc(5))."""
    mine = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as stat:
                    parent = stat.read().rpartition(b")")[2].split()[1]
            except OSError:  # it ended meanwhile
                continue
            if int(parent) == os.getpid():
                mine.append(int(name))
    return mine


def _signal_all(number: int) -> None:
    for pid in _children():
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _all_ended() -> bool:
    """Reap the children that ended; whether none is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        return True
    return False


def _end_all(patience: float) -> None:
    """SIGTERM, a bounded wait, then SIGKILL again and again, since each death may hand over more orphans."""
    deadline = time.monotonic() + patience
    _signal_all(signal.SIGTERM)
    while not _all_ended():
        if time.monotonic() > deadline:
            _signal_all(signal.SIGKILL)
        time.sleep(0.005)


def main(argv: list[str]) -> int:
    credentials: dict[str, object] = {}
    patience = 3.0  # seconds between SIGTERM and SIGKILL
    stdin: int = subprocess.DEVNULL
    while argv[0] != "--":
        option, value, *argv = argv
        if option == "--user":
            uid, gid = value.split(":")
            credentials = {"user": int(uid), "group": int(gid), "extra_groups": []}
        elif option == "--patience":
            patience = float(value)
        elif option == "--input":
            stdin = os.open(value, os.O_RDONLY)
        else:
            sys.exit(f"keeper: unknown option {option}")
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    wake_reader, wake_writer = os.pipe()
    os.set_blocking(wake_writer, False)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    command = subprocess.Popen(argv[1:], stdin=stdin, **credentials)  # type: ignore[call-overload]  # keywords by case
    code: int | None = None
    while code is None:
        ready = select.select([0, wake_reader], [], [])[0]
        if wake_reader in ready and set(os.read(wake_reader, 64)) - {signal.SIGCHLD}:
            break
        if 0 in ready and not os.read(0, 64):
            break
        code = command.poll()
    _end_all(patience)
    return 0 if code is None else code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

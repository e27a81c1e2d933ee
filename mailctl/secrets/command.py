"""A secret from a command such as `pass`: an argument list, no shell, a deadline, the first line of what it prints."""

import os
from collections.abc import Mapping
from functools import cache
from threading import Lock
from time import monotonic, sleep
from typing import TYPE_CHECKING

from mailctl.domain.secret import Secret, accept
from mailctl.errors import SecretError

if TYPE_CHECKING:
    from subprocess import Popen

MOST_OUTPUT = 1 << 20
"""Bytes of both streams together; a command that prints more is ended."""
KEPT_STDERR = 2000


def secret_from_command(
    argv: tuple[str, ...], env: Mapping[str, str], *, seconds: float = 30.0, whole: bool = False
) -> Secret:
    """The first line that `argv` prints, without its line end; or all of it (`whole`).

    env: its whole environment. Its stdin is empty and it has no terminal. SecretError (secret_command) if it can't be
    run, fails, prints nothing or too much, or isn't done after `seconds`; the message has what it wrote on stderr.
    """
    import subprocess

    if not argv or not argv[0]:
        raise SecretError("The password command is empty", code="secret_command")
    name = os.path.basename(argv[0])
    try:
        with _starting:  # an end of this process waits for it: what was just started is ended, too
            _end_with_process()
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(env),
                start_new_session=True,  # so that all it starts can be ended, and it can't ask on our terminal
            )
            _running.add(process.pid)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SecretError(f"The password command {name!r} can't be run: {reason}", code="secret_command") from None
    with process:
        try:
            first, errors, fault = _listen(process, seconds, whole=whole)
            if fault:
                _kill(process.pid)
        except BaseException:
            _kill(process.pid)
            raise
        finally:
            _running.discard(process.pid)  # from here on its number may be another's
        status = process.wait()
    if not fault and status:
        fault = f"ended with status {status}" if status > 0 else f"was ended by signal {-status}"
    if not fault and not first:
        fault = "printed nothing" if first is None else "printed an empty first line"
    if fault or first is None:
        said = " ".join(errors.decode("utf-8", "replace").split())
        raise SecretError(f"The password command {name!r} {fault}{': ' if said else ''}{said}", code="secret_command")
    try:
        return accept(first.decode(), f"the command {name!r}")
    except UnicodeDecodeError:
        raise SecretError(f"What the command {name!r} prints is not UTF-8", code="secret_invalid") from None


def _listen(process: "Popen[bytes]", seconds: float, *, whole: bool) -> tuple[bytes | None, bytes, str]:
    """Read both streams until they end: first line (whole: all) or None, beginning of stderr, what is wrong or ""."""
    import selectors

    assert process.stdout is not None  # noqa: S101 - pipes, by Popen's arguments
    assert process.stderr is not None  # noqa: S101
    out, err = process.stdout.fileno(), process.stderr.fileno()
    texts = {out: b"", err: b""}
    total, deadline = 0, monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for stream in (out, err):
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - monotonic()
            if left <= 0:
                return None, texts[err], f"was not done after {seconds:g} s"
            ended = process.poll() is not None
            # what it left running in the background may hold the streams open: after its end, only what is there counts
            ready = selector.select(0 if ended else min(left, 0.1))
            if ended and not ready:
                break
            for key, _ in ready:
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    selector.unregister(key.fd)
                total += len(chunk)
                if key.fd == err:
                    texts[err] = (texts[err] + chunk)[:KEPT_STDERR]
                elif whole or b"\n" not in texts[out]:  # the first line is whole: the rest is not wanted
                    texts[out] += chunk
            if total > MOST_OUTPUT:
                return None, texts[err], f"printed more than {MOST_OUTPUT} bytes"
    while process.poll() is None:  # it closed its streams and goes on
        if monotonic() > deadline:
            return None, texts[err], f"was not done after {seconds:g} s"
        sleep(0.02)
    if whole:
        return texts[out] or None, texts[err], ""
    line, _, _ = texts[out].partition(b"\n")
    return line.removesuffix(b"\r") if texts[out] else None, texts[err], ""


_running: set[int] = set()  # the commands of which the end is not known yet
_starting = Lock()


@cache
def _end_with_process() -> None:
    """Have commands ended when this process ends: a thread that waits for one is not heard of then."""
    import atexit

    def end() -> None:
        if _starting.acquire(timeout=5):
            for group in tuple(_running):
                _kill(group)

    atexit.register(end)


def _kill(group: int) -> None:
    import signal
    from contextlib import suppress

    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)

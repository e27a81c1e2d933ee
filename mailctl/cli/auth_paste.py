"""An address that is pasted on a terminal: of any length, not shown, and in nobody's history."""

import os

from mailctl.cli.context import Context
from mailctl.errors import UsageError

MOST = 64 * 1024
"""Octets that are read at most."""
_END = (b"\r", b"\n", b"\x04")
_BACK = (0x7F, 0x08)


def pasted(context: Context, question: str) -> str:
    """The line that is typed or pasted behind `question`, without echo; UsageError (no_input) if there is none.

    It is read octet by octet, since a line that the terminal makes by itself is cut: after 4,095 octets on Linux, 1,024
    elsewhere.
    """
    import termios

    from mailctl.cli.unseen import unseen

    handle = context.stdin.fileno()
    before = termios.tcgetattr(handle)
    mode = [*before[:6], [*before[6]]]
    off = termios.ECHO | termios.ICANON
    mode[3] &= ~off
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    typed = bytearray()
    try:
        termios.tcsetattr(handle, termios.TCSADRAIN, mode)  # first: nothing that follows the question may be shown
        context.stderr.write(f"{question}: ")
        context.stderr.flush()
        with unseen(f"{question}: ", off):
            while len(typed) < MOST and (octet := os.read(handle, 1)) and octet not in _END:
                if octet[0] in _BACK:
                    del typed[-1:]
                else:
                    typed += octet
    finally:
        termios.tcsetattr(handle, termios.TCSAFLUSH, before)  # what was pasted beyond the line is no command
        context.stderr.write("\n")
    if not typed:
        raise UsageError("No address was pasted", code="no_input")
    return typed.decode("utf-8", "replace")

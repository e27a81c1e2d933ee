"""Something that is waited for until a moment: one line on a terminal, drawn anew; nothing where nobody watches."""

from types import TracebackType
from typing import Self, TextIO

from mailctl.output.escape import visible


class Waiting:
    """A context manager; the line goes when it ends."""

    def __init__(self, stream: TextIO, what: str, *, active: bool) -> None:
        self._stream, self._what, self._active = stream, visible(what), active
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def left(self, seconds: float) -> None:
        """Show how much time is left."""
        if self._active:
            minutes, rest = divmod(max(0, round(seconds)), 60)
            self._stream.write(f"\r\x1b[K{self._what} {minutes}:{rest:02} left")
            self._stream.flush()
            self._shown = True

"""What a sync can do without until it has asked the server, and does while that makes its answer ready."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailctl.cli.context import Context
    from mailctl.journal.recorder import JournalRecorder


class Meanwhile:
    """To be called when the server has something to do, and at the end at the latest; once more does nothing."""

    def __init__(self, context: "Context") -> None:
        self._context, self._done = context, False

    def recorder(self) -> "JournalRecorder":
        """The command's. Until then it may hold an event: opening the log takes longer than a near server."""
        recorder = self._context.recorder
        if not self._done:
            recorder.hold()
        return recorder

    def __call__(self) -> None:
        if not self._done:
            _ = self._context.journal  # here, where no other thread makes one, too
            self._context.recorder.release()
            import mailctl.cli.sync_result  # noqa: F401

            self._done = True

"""The user's crontab, read and written by the program `crontab`."""

from mailctl.errors import ConfigError
from mailctl.schedule import crontab
from mailctl.schedule.program import Programs
from mailctl.schedule.wanted import Wanted

_NONE_YET = ("no crontab for", "can't open")  # Debian's and cronie's; BusyBox's


class Cron:
    """mailctl's block in the crontab, of one configuration folder (`realm`)."""

    def __init__(self, programs: Programs, realm: str) -> None:
        self._programs, self._realm = programs, realm

    def unavailable(self) -> str:
        """Why there is no cron here, or ""."""
        try:
            self.read()
        except ConfigError as error:
            return error.message
        return ""

    def read(self) -> bytes:
        """The whole crontab. ConfigError if there is no cron, or it is denied."""
        status, out, said = self._programs.run("crontab", "-l")
        if status == 0:
            return out
        if any(words in said for words in _NONE_YET):
            return b""
        raise ConfigError(f"`crontab -l` failed: {said or f'status {status}'}", code="scheduler_refused")

    def changes(self, wanted: Wanted) -> bytes | None:
        """The whole crontab as it should be, None if it is so already."""
        before = self.read()
        after = crontab.with_block(before, wanted)
        return None if after == before else after

    def install(self, wanted: Wanted) -> bool:
        """Put the block there; whether anything changed."""
        after = self.changes(wanted)
        if after is not None:
            self._write(after)
        return after is not None

    def line(self) -> str:
        """The line that runs something, "" if there is none."""
        return crontab.found(self.read(), self._realm)

    def remove(self) -> bool:
        """Take the block away; whether there was one."""
        before = self.read()
        after = crontab.without_block(before, self._realm)
        if after == before:
            return False
        if after:
            self._write(after)
        else:
            self._programs.must("crontab", "-r")
        return True

    def _write(self, text: bytes) -> None:
        self._programs.must("crontab", "-", data=text)

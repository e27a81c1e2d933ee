"""What is wrong with a configuration file, as a value."""

from mailctl.domain.record import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in one file.

    file: its path. key: dotted key (`inbound.interval`), "" if the whole file is meant. message: one sentence, without
    the file. fix: what to do, or "". name: the server or gateway that it breaks, "" if none.
    """

    file: str
    key: str
    message: str
    fix: str = ""
    name: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.key, self.message) if part)

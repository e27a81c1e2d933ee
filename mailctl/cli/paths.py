"""Where files live."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Paths:
    """The folders of configuration, state (sync state, mailer log) and data (mail)."""

    config: Path
    state: Path
    data: Path

"""Where files live."""

from pathlib import Path
from typing import NamedTuple


class Paths(NamedTuple):
    """The folders of configuration, state (sync state, mailer log) and data (mail)."""

    config: Path
    state: Path
    data: Path

"""`pattern` is `re.compile`, put off until the first use: a command needs few patterns of the modules it loads."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from re import compile as pattern
else:
    import re

    class pattern:  # noqa: N801 - in the place of a function
        """Has the methods of a compiled pattern, and makes them its own when it is first asked for one."""

        def __init__(self, text: str | bytes, flags: int = 0) -> None:
            self._made = text, flags

        def __getattr__(self, name: str) -> object:
            value = getattr(re.compile(*self._made), name)  # which remembers the last ones
            setattr(self, name, value)
            return value


__all__ = ["pattern"]

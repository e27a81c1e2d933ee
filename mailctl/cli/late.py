"""Modules of the standard library that others load and hardly use: loaded when they are used.

`dataclasses` loads `inspect`, and with it all that reads source code, for classes without a docstring: some six to ten
milliseconds of a short command. `pathlib` loads `ntpath` and, by way of others, `ipaddress`.
(`importlib.util.LazyLoader` would load a module at the next `import` of it.)
"""

import sys
from threading import Lock
from types import ModuleType

_lock = Lock()


class _Late(ModuleType):
    def __getattr__(self, name: str) -> object:
        """What the real module has; from then on this one has all of it."""
        if name.startswith("__"):
            raise AttributeError(name)
        from importlib import import_module

        with _lock:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        real = import_module(self.__name__)
        self.__dict__.update(real.__dict__)
        return getattr(real, name)


def late() -> None:
    """From now on `import` of these loads nothing yet; nothing happens to those that are loaded."""
    for name in ("inspect", "ipaddress", "ntpath"):
        sys.modules.setdefault(name, _Late(name))

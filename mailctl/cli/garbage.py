"""How often the interpreter looks for garbage: hardly while a command starts, as usual in one that goes on."""

import gc


def starting() -> None:
    """What is imported is no garbage: looking for some is a tenth of a short command."""
    gc.set_threshold(100_000, 20, 20)


def working() -> None:
    """What comes from now on may be garbage soon.

    Nothing is frozen (`gc.freeze`): in a process that goes on, garbage would be kept for good, and what it holds open.
    """
    gc.set_threshold(5_000, 20, 20)

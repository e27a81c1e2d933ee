"""How often the interpreter looks for garbage: hardly while a command starts, as usual in one that goes on."""

import gc


def starting() -> None:
    """What is imported is no garbage: looking for some is a tenth of a short command."""
    gc.set_threshold(100_000, 20, 20)


def working() -> None:
    """What comes from now on may be garbage soon; what was imported is none, and is looked through no more."""
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)

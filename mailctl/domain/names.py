"""Names of servers and gateways: what they may look like, and what the user may have meant."""

from collections.abc import Iterable

from mailctl.domain.pattern import pattern
from mailctl.errors import NotFoundError, UsageError

NAME = pattern(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
"""Names become file names: never a path, never hidden, never longer than a file name may be."""


def is_name(text: str) -> bool:
    """Whether `text` may name a server or gateway, so that `TEXT.toml` is its file and no other's."""
    return bool(NAME.fullmatch(text)) and not text.endswith((".toml", "~"))


def check_name(name: str, what: str = "name") -> str:
    """Return `name` unchanged, or raise UsageError saying what is wrong with it.

    what: the thing that is named, for the message ("server", "gateway").
    """
    if is_name(name):
        return name
    raise UsageError(
        f"{name!r} can't be the name of a {what}",
        hint="Use 1 to 64 letters, digits or . _ @ + -, beginning with a letter or digit.",
        code="bad_name",
    )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, in whatever case, or None if none is near."""
    from difflib import get_close_matches

    folded = {each.lower(): each for each in known}
    matches = get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def not_found(what: str, name: str, known: Iterable[str]) -> NotFoundError:
    """The error for a `what` ("gateway") called `name` that isn't there; suggests the nearest known name."""
    known = list(known)
    match = nearest(name, known)
    if match:
        hint = f"Did you mean {match!r}?"
    elif known:
        hint = f"`mailctl {what} list` shows the {len(known)} that exist."
    else:
        hint = f"There is none yet; `mailctl {what} add` makes one."
    return NotFoundError(f"There is no {what} named {name!r}", hint=hint)

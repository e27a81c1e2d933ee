"""Which folders are synced. Pure.

Globs know `*` (anything, hierarchy delimiters too) and `?`; brackets are letters (`[Gmail]/Sent`). `!GLOB` leaves out.
INBOX matches in any case. Folders that can't be selected are left out.

On Gmail, a message appears in "All Mail" and again in each folder that stands for one of its labels. With the default
`*`, only the folders that together hold each message once are taken: All Mail, Spam and Trash, known by their
special-use attributes (RFC 6154). Whoever names folders gets those.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from mailctl.domain.mailbox import Folder
from mailctl.domain.record import dataclass
from mailctl.errors import NotFoundError
from mailctl.sync.local.names import canonical_folder

MOST_NAMED = 20
"""Folders that an error names."""

_GMAIL_ONCE = frozenset({"\\all", "\\junk", "\\trash"})


@dataclass(frozen=True, slots=True)
class Choice:
    """chosen: INBOX first, then by name. note: a sentence on what was left out by default, or ""."""

    chosen: tuple[Folder, ...]
    note: str = ""


def choose(folders: Iterable[Folder], globs: Sequence[str], capabilities: frozenset[str]) -> Choice:
    """The folders that `globs` mean; a later glob wins over an earlier one."""
    there = [folder for folder in dict.fromkeys(folders) if folder.selectable]
    chosen = [folder for folder in there if _wanted(canonical_folder(folder.name), globs)]
    note = ""
    if tuple(globs) == ("*",) and "X-GM-EXT-1" in capabilities and any("\\all" in f.attributes for f in there):
        once = [folder for folder in chosen if folder.attributes & _GMAIL_ONCE]
        left = len(chosen) - len(once)
        note = (
            f"Gmail shows each message in All Mail and again under each label: {left} label folders were left out; "
            "name folders to sync them instead"
        )
        chosen = once
    return Choice(tuple(sorted(chosen, key=lambda f: (canonical_folder(f.name) != "INBOX", f.name))), note)


def _wanted(name: str, globs: Sequence[str]) -> bool:
    wanted = False
    if globs and globs[0].startswith("!"):
        wanted = True
    for glob in globs:
        out = glob.startswith("!")
        if matches(name, glob[1:] if out else glob):
            wanted = not out
    return wanted


def unmatched(folders: Iterable[Folder], globs: Sequence[str]) -> list[str]:
    """The globs, other than `*` and those that leave out, that mean no folder at all: misspelt, or renamed there."""
    names = [folder.name for folder in folders]
    wanted = [glob for glob in globs if glob != "*" and not glob.startswith("!")]
    return [glob for glob in wanted if not any(matches(name, glob) for name in names)]


def none_like(gateway: str, globs: Sequence[str], folders: Iterable[Folder]) -> NotFoundError:
    """The error for a wish that no folder of the server fulfils."""
    names = sorted(folder.name for folder in folders if folder.selectable)
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return NotFoundError(
        f"{gateway} has no folder like {', '.join(globs)}", hint=f"It has {', '.join(names[:MOST_NAMED])}{more}."
    )


def matches(name: str, glob: str) -> bool:
    """Whether a glob means a folder of that name. Takes time in proportion to the name, which is the server's."""
    return fnmatchcase(name, canonical_folder(glob).replace("[", "[[]"))

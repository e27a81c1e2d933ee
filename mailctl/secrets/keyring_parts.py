"""Values in parts, for keyrings that hold only short ones; the child process's, so it imports nothing of mailctl."""

from typing import Any

MANIFEST = "mailctl-parts:1:"
SETS = ("a", "b")
SHORT = 256
"""UTF-16 units that every backend holds: longer values are tried beside the old one."""
SIZES = (1200, 600, 300)
"""UTF-16 units of a part: Windows' Credential Manager holds 2,560 bytes (CRED_MAX_CREDENTIAL_BLOB_SIZE)."""
MOST_PARTS = 500


def came_back(kept: str | None, value: str) -> str:
    """What a backend gave back of a value, in words."""
    return f"{len(kept)} characters came back of {len(value)}" if kept is not None else "nothing came back"


def _units(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)


def _pieces(text: str, size: int) -> list[str]:
    """The text in pieces of at most `size` UTF-16 units; no character is cut."""
    found, begin, units = [], 0, 0
    for at, character in enumerate(text):
        wide = 2 if character > "\uffff" else 1
        if units + wide > size:
            found.append(text[begin:at])
            begin, units = at, 0
        units += wide
    return [*found, text[begin:]]


def _digest(value: str) -> str:
    from hashlib import sha256

    return sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def _counted(raw: str) -> tuple[str, int, str]:
    """The set, the number of its parts and the digest of the whole that an entry names; empty if it is no manifest."""
    name, _, rest = raw.removeprefix(MANIFEST).partition(":") if raw.startswith(MANIFEST) else ("", "", "")
    count, _, digest = rest.partition(":")
    whole = name in SETS and count.isascii() and count.isdigit() and len(count) < 10
    return (name, min(int(count), MOST_PARTS), digest) if whole else ("", 0, "")


class Parts:
    """A value in parts, for a backend that holds only short ones.

    The entry itself then says which parts there are; they lie beside it as `USER#a.0`, `USER#a.1`, or `USER#b.0` …: new
    parts go into the set that is not in use, and the entry is replaced last, so that one of both is always whole.
    """

    def __init__(self, ring: Any, service: str, user: str) -> None:
        self._ring, self._service, self._user = ring, service, user
        self.manifest = ""

    @staticmethod
    def is_long(value: str) -> bool:
        """Whether a backend may refuse it; or it would be taken for a manifest."""
        return _units(value) > SHORT or value.startswith(MANIFEST)

    def joined(self, raw: str | None) -> str | None:
        """The value that an entry stands for; None if parts are missing, or are not its own."""
        if raw is None or not raw.startswith(MANIFEST):
            return raw
        name, count, digest = _counted(raw)
        found = [self._get(name, number) for number in range(count)]
        value = "".join(part for part in found if part is not None)
        return value if found and None not in found and _digest(value) == digest else None

    def split(self, value: str, before: str | None) -> str:
        """Find out how the backend holds the value; parts are kept then. Returns why it doesn't, "" if it does."""
        fault = ""
        unused = next(name for name in SETS if before is None or not before.startswith(f"{MANIFEST}{name}:"))
        for size in (0, *SIZES):  # 0: as a whole, tried under another name, so that the old one isn't overwritten
            parts = _pieces(value, size) if size else [value]
            if size == 0 and value.startswith(MANIFEST):
                continue
            fault = self._try(unused, parts)
            if not fault and size:
                self.manifest = f"{MANIFEST}{unused}:{len(parts)}:{_digest(value)}"
                return ""
            self.forget(unused)
            if not fault:
                return ""
        return fault

    def forget_others(self, before: str | None) -> None:
        """Remove the parts that the entry doesn't name any more."""
        if self.manifest or (before or "").startswith(MANIFEST):
            for name in SETS:
                if not self.manifest.startswith(f"{MANIFEST}{name}:"):
                    self.forget(name, before)

    def forget(self, name: str, raw: str | None = None) -> bool:
        """Remove a set of parts; the first one last, by which the rest is found. False if there was none.

        raw: the entry, which says how many there are even where one between them is lost.
        """
        known = _counted(raw)[1] if raw is not None and _counted(raw)[0] == name else 0
        found = []
        for number in range(MOST_PARTS):
            if self._get(name, number) is not None:
                found.append(number)
            elif number >= known:
                break
        for number in reversed(found):
            self._ring.delete_password(self._service, self._part(name, number))
        return bool(found)

    def _try(self, name: str, parts: list[str]) -> str:
        """Keep parts and read them back; what went wrong, or ""."""
        import keyring.errors

        self.forget(name)  # of one that was killed
        if len(parts) > MOST_PARTS:
            return "it is too long"
        for number, part in enumerate(parts):
            try:
                self._ring.set_password(self._service, self._part(name, number), part)
            except (keyring.errors.KeyringLocked, keyring.errors.InitError, keyring.errors.NoKeyringError):
                raise
            except Exception as error:  # noqa: BLE001 - Windows' says "The stub received bad data" of what is too long
                return f"{type(error).__name__}: {error}".replace(part, "***")
            kept = self._get(name, number)
            if kept != part:
                return came_back(kept, part)
        return ""

    def _part(self, name: str, number: int) -> str:
        return f"{self._user}#{name}.{number}"

    def _get(self, name: str, number: int) -> str | None:
        found: str | None = self._ring.get_password(self._service, self._part(name, number))
        return found

"""The child process that talks to the keyring library; a program of its own, which imports nothing of mailctl.

It reads requests `[seconds, "get"|"set"|"delete"|"names", service, user(, value)]`, one JSON array a line, from stdin
and answers each with one JSON object: `{"backend": …, "value"|"kept_at"|"deleted"|"names": …}`, or `{"fault": …,
"backend": …, "detail": …}`. Secrets travel over these two pipes only. It ends with its parent, or by an alarm if a call
hangs and the parent is gone.
"""

import json
import os
import signal
import sys
import warnings
from math import ceil
from typing import Any


def main() -> None:
    """Serve until stdin ends."""
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # a backend that asks or prints gets neither the pipes nor a terminal
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    _no_core_dump()
    _find_session_bus()
    warnings.simplefilter("ignore")
    import logging

    logging.disable(logging.CRITICAL)
    import keyring.errors

    def send(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    send({"ready": True})
    keeper = None
    for line in requests:
        seconds, verb, service, user, *value = json.loads(line)
        signal.alarm(ceil(seconds) + 2)
        try:
            keeper = keeper or Keeper()
            send(keeper.serve(verb, service, user, *value))
        except FaultError as fault:
            send(fault.answer)
        except keyring.errors.NoKeyringError:
            send({"fault": "none", "backend": keeper.name if keeper else ""})
        # what could be asked of a person to open or make the keyring was not answered
        except (keyring.errors.KeyringLocked, keyring.errors.InitError) as error:
            send({"fault": "locked", "backend": keeper.name if keeper else "", "detail": _said(error, value)})
        except Exception as error:  # noqa: BLE001 - backends raise anything (RuntimeError, EOFError, AttributeError)
            name = keeper.name if keeper else ""
            detail = f"{type(error).__name__}: {_said(error, value)}".rstrip(": ")
            send({"fault": "failed" if keeper else "config", "backend": name, "detail": detail})
        signal.alarm(0)


class FaultError(Exception):
    """Ends a request with an answer that says why."""

    def __init__(self, fault: str, backend: str, detail: str = "") -> None:
        super().__init__(fault)
        self.answer = {"fault": fault, "backend": backend, "detail": detail}


class Keeper:
    """The backend that the library chose, checked."""

    def __init__(self) -> None:
        from keyring import core

        self.parts = _beside("keyring_parts")
        asked = os.environ.get("PYTHON_KEYRING_BACKEND", "")
        try:
            core.init_backend(limit=_is_safe)  # a chain leaves out what isn't
            self.ring = core.get_keyring()
        except Exception as error:
            raise FaultError("config", asked, f"{type(error).__name__}: {error}") from error
        self.name = ", ".join(_name(ring) for ring in _chain(self.ring))
        if not _chain(self.ring):
            raise FaultError(*_why_none(_name(self.ring)))
        for ring in _chain(self.ring):
            if type(ring).__module__ == "keyring.backends.null":
                raise FaultError("null", self.name)
            if not _is_safe(ring):
                raise FaultError("plaintext", self.name)
            if type(ring).__module__ == "keyring.backends.fail":
                raise FaultError(*_why_none(self.name))

    def serve(self, verb: str, service: str, user: str, *value: str) -> dict[str, Any]:
        """Carry out one request."""
        match verb:
            case "get":
                answer = self.get(service, user)
            case "set":
                answer = self.set(service, user, *value)
            case "names":
                answer = {"names": self.names(service)}
            case _:
                answer = self.delete(service, user)
        return {"backend": self.name, **answer}

    def get(self, service: str, user: str) -> dict[str, Any]:
        """The value, or None, and when it was kept, where the backend knows."""
        raw = self.ring.get_password(service, user)
        value = self.parts.Parts(self.ring, service, user).joined(raw)
        if raw is not None and value is None:
            raise FaultError("torn", self.name)
        return {"value": value, "kept_at": None if raw is None else self._kept_at(service, user)}

    def set(self, service: str, user: str, value: str) -> dict[str, Any]:
        """Keep the value, in parts if the backend doesn't hold it as a whole; as it was before if it can't be kept."""
        parts = self.parts.Parts(self.ring, service, user)
        before = self.ring.get_password(service, user)
        told = parts.split(value, before) if parts.is_long(value) else ""
        if told:
            raise FaultError("not_kept", self.name, _said(told, [value]))
        manifest = parts.manifest or value
        self.ring.set_password(service, user, manifest)
        kept = self.ring.get_password(service, user)
        if kept == manifest:
            parts.forget_others(before)
            return {}
        if before is not None:
            self.ring.set_password(service, user, before)
        elif kept is not None:
            self.ring.delete_password(service, user)
        raise FaultError("not_kept", self.name, self.parts.came_back(kept, manifest))

    def delete(self, service: str, user: str) -> dict[str, Any]:
        """Remove the entry, if there is one, and its parts."""
        raw = self.ring.get_password(service, user)
        if raw is not None:
            self.ring.delete_password(service, user)
        parts = self.parts.Parts(self.ring, service, user)
        gone = [parts.forget(name, raw) for name in self.parts.SETS]
        return {"deleted": raw is not None or any(gone)}

    def names(self, prefix: str) -> list[list[str]]:
        """Service and user of what the library has put into a Secret Service under services that begin so."""
        from keyring.backends import SecretService

        ours = set()
        for ring in _chain(self.ring):
            if isinstance(ring, SecretService.Keyring):
                keys = ring.schemes[ring.scheme]
                collection = ring.get_preferred_collection()  # type: ignore[no-untyped-call]  # has no types
                try:
                    for item in collection.search_items({"application": ring.appid}):
                        found = item.get_attributes()
                        service, user = found.get(keys["service"], ""), found.get(keys["username"], "")
                        if service.startswith(prefix):
                            ours.add((service, user.partition("#")[0]))  # parts are their entry's
                finally:
                    collection.connection.close()
        return [[service, user] for service, user in sorted(ours)]

    def _kept_at(self, service: str, user: str) -> float | None:
        """Seconds since the epoch; only the Secret Service tells."""
        from keyring.backends import SecretService

        if not isinstance(self.ring, SecretService.Keyring):
            return None
        try:
            collection = self.ring.get_preferred_collection()  # type: ignore[no-untyped-call]  # has no types
            try:
                items = list(collection.search_items(self.ring._query(service, user)))
                return float(items[0].get_modified()) if items else None
            finally:
                collection.connection.close()
        except Exception:  # noqa: BLE001 - the age is an extra; the password was read
            return None


def _beside(name: str) -> Any:
    """The module in the file of that name in this folder, which is not searched for modules."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(name, os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py"))
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - it is there
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _chain(ring: Any) -> list[Any]:
    """The backends that `ring` may put a password into."""
    from keyring.backends.chainer import ChainerBackend

    return list(ring.backends) if isinstance(ring, ChainerBackend) else [ring]


def _is_safe(ring: Any) -> bool:
    """False for backends that keep passwords readable: keyrings.alt but for its encrypted ones, and any Plaintext."""
    kind = ring if isinstance(ring, type) else type(ring)
    for base in kind.__mro__:
        if "plaintext" in base.__name__.lower():
            return False
    return not kind.__module__.startswith("keyrings.alt") or kind.__name__.startswith("Encrypted")


def _why_none(name: str) -> tuple[str, str, str]:
    """The fault for a machine on which the library found nothing to use; names plaintext backends left out."""
    from keyring.backend import get_all_keyring

    left_out = [_name(ring) for ring in get_all_keyring() if not _is_safe(ring)]
    if left_out:
        return "plaintext", ", ".join(left_out), ""
    why = ""
    try:
        from keyring.backends import SecretService

        SecretService.Keyring.priority  # noqa: B018 - raises with the reason
    except Exception as error:  # noqa: BLE001 - any reason will do
        why = str(error)
    return "none", name, why


def _name(ring: Any) -> str:
    kind = type(ring)
    return f"{kind.__module__}.{kind.__name__}".removeprefix("keyring.backends.")


def _said(error: BaseException | str, values: list[str]) -> str:
    """The error's words on one line, without the value that was to be kept."""
    text = " ".join(str(error).split())
    for value in values:
        text = text.replace(value, "***") if value else text
    return text[:300]


def _no_core_dump() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _find_session_bus() -> None:
    """Where cron or sudo lost the bus's address: its usual place, as in sd_bus_default(3)."""
    bus = os.path.join(os.environ.get("XDG_RUNTIME_DIR", ""), "bus")
    if os.path.isabs(bus) and os.path.exists(bus):
        os.environ.setdefault("DBUS_SESSION_BUS_ADDRESS", f"unix:path={bus}")


if __name__ == "__main__":
    main()
    sys.exit(0)

"""What a stage taught, told in short: a pure reading of the detail that it reports."""

from collections.abc import Callable, Mapping

from mailctl.domain.check import StageReport, StageStatus
from mailctl.domain.when import counted, show_size

_LONGEST = 100


def learned(stage: StageReport) -> str:
    """What a stage taught, in short."""
    detail = stage.detail
    if stage.status is StageStatus.PASSED:
        detail = {key: value for key, value in detail.items() if key not in _ONLY_FAILED}
    said = [text for key, tell in _TELL.items() if key in detail and (text := tell(detail[key], detail))]
    return ", ".join(said)


_Tell = Callable[[object, Mapping[str, object]], str]


def _plain(value: object, _: Mapping[str, object]) -> str:
    text = " ".join(str(value or "").split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _each(value: object, detail: Mapping[str, object]) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else _plain(value, detail)


def _count(noun: str) -> _Tell:
    def tell(value: object, _: Mapping[str, object]) -> str:
        return f"{len(value)} {noun}" if isinstance(value, list | tuple) else ""

    return tell


def _until(value: object, detail: Mapping[str, object]) -> str:
    days = detail.get("days_left")
    left = ""
    if isinstance(days, int):
        count = "1 day" if abs(days) == 1 else f"{abs(days)} days"
        left = f" ({count} ago)" if days < 0 else f" ({count})"
    return f"certificate until {str(value)[:10]}{left}"


def _quota(value: object, _: Mapping[str, object]) -> str:
    match value:
        case {"used": int(used), "limit": int(limit)}:
            return f"{show_size(used)} of {show_size(limit)} used"
    return ""


def _folders(value: object, detail: Mapping[str, object]) -> str:
    if not isinstance(value, int):
        return ""
    unreadable = detail.get("unreadable")
    shut = len(unreadable) if isinstance(unreadable, list | tuple) else 0
    return counted(value, "folder") + (f", {shut} of them don't open" if shut else "")


def _families(value: object, _: Mapping[str, object]) -> str:
    """How each address family fared, where the host has both."""
    if not isinstance(value, Mapping) or len(value) < 2:
        return ""

    def fared(each: object) -> str:
        if not isinstance(each, Mapping) or "answered" not in each:
            return "no answer"
        return f"{each.get('ms', 0):.0f} ms" if isinstance(each.get("ms"), int | float) else "answers"

    return ", ".join(f"{str(name).replace('ip', 'IP')} {fared(each)}" for name, each in value.items())


def _banner(value: object, detail: Mapping[str, object]) -> str:
    text = str(value or "")
    if text.startswith("[CAPABILITY") and "]" in text:
        text = text.partition("]")[2]
    return _quoted(text, detail)


def _quoted(value: object, detail: Mapping[str, object]) -> str:
    """The server's own words, marked as such, whatever they imitate."""
    text = _plain(value, detail).replace('"', "'")
    return f'"{text}"' if text else ""


def _if(prefix: str) -> _Tell:
    return lambda value, detail: f"{prefix} {text}" if (text := _each(value, detail)) else ""


_ONLY_FAILED = frozenset({"names", "issuer", "fingerprint"})
"""What matters of a certificate only if it was refused."""
_RELAY = {
    "relays": "passes mail on",
    "relay_denied": "passes no mail on",
    "unknown": "doesn't tell whether it passes mail on",
}
_TELL: dict[str, _Tell] = {
    "source": _if("from"),
    "addresses": _each,
    "address": _plain,
    "failed": _if("no answer from"),
    "families": _families,
    "tls_version": _plain,
    "cipher": _plain,
    "names": _if("for"),
    "issuer": _if("issued by"),
    "not_after": _until,
    "fingerprint": lambda value, _: f"fingerprint sha256:{value}",
    "greeting": _banner,
    "banner": _banner,
    "mechanism": _plain,
    "capabilities": _count("capabilities"),
    "extensions": _count("extensions"),
    "folder": _plain,
    "messages": lambda value, _: counted(value, "message") if isinstance(value, int) else "",
    "octets": lambda value, _: show_size(value) if isinstance(value, int) else "",
    "size": lambda value, _: f"messages up to {show_size(value)}" if isinstance(value, int) and value else "",
    "folders": _folders,
    "quota": _quota,
    "relay": lambda value, _: _RELAY.get(str(value), ""),
    "reply": _quoted,
}
"""How each thing that stages learn is told; anything else is for programs."""

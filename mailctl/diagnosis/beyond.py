"""What a service that can be signed in to lacks, or will soon run out of: findings, each with what it costs people.

A pure reading of what the stages after sign-in report.
"""

from collections.abc import Iterator, Mapping, Sequence

from mailctl.domain.check import CheckJob, Finding, Level, StageReport, StageStatus
from mailctl.domain.server import Protocol
from mailctl.domain.when import counted, show_size

NEARLY_FULL = 90
"""Percent of a quota from which a check warns."""
SMALL = 1 << 20
"""Octets below which a limit on messages hinders ordinary mail."""
GROWTH = 1.37
"""How much larger an attachment is on its way: base64 in lines of 76 (RFC 2045 section 6.8)."""
_NAMED = 5

Detail = Mapping[str, object]

_IMAP_LACKS = (
    ("IDLE", "new mail is seen at the next poll, not at once"),
    ("CONDSTORE", "finding out which flags changed means reading those of every message"),
    ("QRESYNC", "finding out what was deleted means listing every message"),
    ("COMPRESS=DEFLATE", "a first sync takes the whole volume of the mail over the line"),
    ("UIDPLUS", "single messages can't be removed safely, so nothing is deleted on the server"),
    ("MOVE", "a message is moved by copying it, and a cut in between leaves it in both folders"),
)
"""What is missed, in the order of what it costs; the first four are extensions, IMAP4rev2 has the others."""
_IN_REV2 = frozenset({"IDLE", "UIDPLUS", "MOVE"})
_SMTP_LACKS = (
    ("DSN", "a sender can't ask to be told that a message was delivered"),
    ("SMTPUTF8", "nobody whose address has characters beyond ASCII before the @ can be written to"),
    ("PIPELINING", "each further recipient of a message costs a round trip"),
)
_USES = {
    "sent": "Sent",
    "drafts": "Drafts",
    "trash": "Trash",
    "junk": "Junk",
    "archive": "Archive",
}


def beyond(job: CheckJob, stages: Sequence[StageReport]) -> Iterator[Finding]:
    """Findings on `job` from the stages that passed after sign-in."""
    passed = {stage.name: stage.detail for stage in stages if stage.status is StageStatus.PASSED}
    match job.protocol:
        case Protocol.IMAP:
            yield from _imap(passed)
        case Protocol.POP3:
            yield from _pop3(passed)
        case Protocol.SMTP:
            yield from _smtp(job, passed)


# -- IMAP


def _imap(passed: Mapping[str, Detail]) -> Iterator[Finding]:
    offered = {str(word) for word in _list(passed.get("authenticate", {}).get("capabilities"))}
    rev2 = offered & {"IMAP4REV1", "IMAP4REV2"} == {"IMAP4REV2"}
    for name, cost in _IMAP_LACKS if offered else ():
        if name not in offered and not (rev2 and name in _IN_REV2):
            yield _lack(name, cost)
    if "folders" in passed:
        detail = passed["folders"]
        yield from _quota(detail)
        yield from _folders(detail)


def _quota(detail: Detail) -> Iterator[Finding]:
    for key, shown, unit in (("quota", show_size, ""), ("quota_messages", str, " messages")):
        match detail.get(key):
            case {"used": int(used), "limit": int(limit)} if limit and used * 100 >= limit * NEARLY_FULL:
                filled = f"({shown(used)} of {shown(limit)}{unit})"
                if used >= limit:
                    text = f"the mailbox is full {filled}: new mail is sent back to its senders"
                    yield Finding("quota_full", Level.WARNING, text)
                else:
                    text = f"the mailbox is {used * 100 // limit} % full {filled}: new mail is sent back soon"
                    yield Finding("quota_nearly_full", Level.WARNING, text)


def _folders(detail: Detail) -> Iterator[Finding]:
    if detail.get("interrupted"):
        text = f"the folders could not all be looked into: {_one_line(detail['interrupted'])}"
        yield Finding("folders_not_told", Level.WARNING, text)
    unreadable = [each for each in _list(detail.get("unreadable")) if isinstance(each, Mapping)]
    for each in unreadable[:_NAMED]:
        text = f'the folder {each.get("folder")!r} does not open: "{_one_line(each.get("reply"))}"'
        yield Finding("folder_unreadable", Level.WARNING, text)
    if len(unreadable) > _NAMED:
        text = f"{counted(len(unreadable) - _NAMED, 'more folder')} can't be opened"
        yield Finding("folder_unreadable", Level.WARNING, text)
    for name in _list(detail.get("set_aside"))[:_NAMED]:
        text = f"the folder name {name!r} is spelt in a way that IMAP doesn't have: that folder is left out"
        yield Finding("folder_name_undecodable", Level.WARNING, text)
    match detail:
        case {"unread": int(unread), "folders": int(folders)} if unread and not detail.get("interrupted"):
            text = f"only the first {folders - unread} of {folders} folders were looked into"
            if folders == unread:
                text = "no folder was looked into, since the server took too long"
            yield Finding("folders_not_tried", Level.NOTE, text)
    uses = detail.get("special_use")
    if isinstance(uses, Mapping) and (missing := [name for use, name in _USES.items() if use not in uses]):
        text = f"no folder is marked as {_joined(missing)}: mail programs go by its name, and may make another one"
        yield Finding("special_use_missing", Level.NOTE, text)


# -- POP3


def _pop3(passed: Mapping[str, Detail]) -> Iterator[Finding]:
    stat = passed.get("stat", {})
    lines = _list(stat.get("capabilities")) or _list(passed.get("capability", {}).get("capabilities"))
    offered = {name: words.split() for name, _, words in (str(line).partition(" ") for line in lines)}
    if stat.get("uidl") is False:
        text = "no UIDL: nothing tells which messages were fetched before, so none can be left on the server"
        yield Finding("no_uidl", Level.WARNING, text)
    if offered and "TOP" not in offered:
        yield Finding("no_top", Level.NOTE, "no TOP: to see a subject, the whole message must be fetched")
    match offered.get("EXPIRE"):
        case ["0", *_]:
            text = "the server removes messages once they were fetched (EXPIRE 0): none can be left there"
            yield Finding("pop3_expire", Level.WARNING, text)
        case [days, *_] if days.isdecimal():
            text = f"the server removes messages after {counted(int(days[:9]), 'day')} (EXPIRE): keep what is fetched"
            yield Finding("pop3_expire", Level.NOTE, text)
    match offered.get("LOGIN-DELAY"):
        case [seconds, *_] if seconds.isdecimal() and int(seconds[:9]):
            text = f"the server wants {int(seconds[:9])} s between two sign-ins (LOGIN-DELAY): don't sync more often"
            yield Finding("pop3_login_delay", Level.NOTE, text)


# -- SMTP


def _smtp(job: CheckJob, passed: Mapping[str, Detail]) -> Iterator[Finding]:
    inside = {key: value for name in ("ehlo", "starttls") for key, value in passed.get(name, {}).items()}
    offered = {str(line).partition(" ")[0].upper() for line in _list(inside.get("extensions"))}
    yield from _size(job, inside.get("size"))
    relay = passed.get("relay", {})
    if relay.get("relay") == "relay_denied":
        said = _one_line(relay.get("reply"))
        text = f'the server passes no mail on to other domains: "{said}"; only people of its own can be written to'
        yield Finding("relay_denied", Level.WARNING, text)
    for name, cost in _SMTP_LACKS if "authenticate" in passed and "extensions" in inside else ():
        if name not in offered:
            yield _lack(name, cost)


def _size(job: CheckJob, size: object) -> Iterator[Finding]:
    if not isinstance(size, int) or not size:  # 0: no fixed limit (RFC 1870 section 3)
        return
    wanted = job.attachment_limit
    if wanted and size < wanted * GROWTH:
        text = (
            f"the server takes messages up to {show_size(size)}: attachments of {show_size(int(size / GROWTH))} fit, "
            f"not of {show_size(wanted)} as the gateway's attachment_limit says"
        )
        yield Finding("attachment_limit_too_high", Level.WARNING, text)
    elif size < SMALL:
        text = f"the server takes messages up to {show_size(size)} only: a picture is refused"
        yield Finding("message_size_small", Level.WARNING, text)


# -- words


def _lack(name: str, cost: str) -> Finding:
    short = name.partition("=")[0]
    return Finding(f"no_{short.lower()}", Level.NOTE, f"no {short}: {cost}")


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()


def _one_line(value: object) -> str:
    text = " ".join(str(value or "").split()).replace('"', "'")
    return text if len(text) <= 160 else text[:159] + "…"


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"

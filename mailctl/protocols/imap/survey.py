"""What a check learns of an account besides that it can be signed in to: its folders, which of them open, the quota.

Evidence only: whatever a server answers, or doesn't, a check that came here has passed.
"""

from collections.abc import Sequence

from mailctl.domain.deadline import Deadline
from mailctl.domain.mailbox import Folder
from mailctl.domain.pattern import pattern
from mailctl.errors import MailctlError, UsageError
from mailctl.protocols.imap.channel import Answer, Channel, quoted
from mailctl.protocols.imap.names import is_list, parse_listing
from mailctl.protocols.imap.quota import parse_quota

PATIENCE = 3.0
"""Seconds for the whole."""
FOLDERS = 300
"""Folders that are looked into; the rest is only counted."""
AT_ONCE = 50
"""Folders asked for in one go."""
NAMED = 20
"""Folders of one kind that are named."""
_REPLY = 500
_USES = pattern(r"\\(sent|drafts|trash|junk|spam|archive|all|allmail|flagged)")
_ALIASES = {"spam": "junk", "allmail": "all"}
"""What servers that know only XLIST call them."""


def survey(channel: Channel) -> dict[str, object]:
    """Learn within PATIENCE seconds, as JSON values; of what can't be had, nothing. The connection may be dead then.

    quota: `used` and `limit` in octets; quota_messages: in messages. folders: how many can be opened, by their list.
    readable: how many of them did open; unread: how many were not tried. unreadable: `folder` and `reply`, the server's
    words. set_aside: names that can't be decoded. special_use: folder by use (`sent`, `drafts`, …; RFC 6154).
    """
    learned: dict[str, object] = {}
    wire = channel.wire
    try:
        wire.deadline = Deadline(wire.deadline.remaining(PATIENCE))
        folders = _list(channel, learned)
        _look_into(channel, folders, learned)
    except MailctlError as error:
        if error.code not in ("timeout", "unfinished") or "unread" not in learned:  # a large account is no fault
            learned["interrupted"] = error.message
    return learned


def _list(channel: Channel, learned: dict[str, object]) -> list[Folder]:
    """LIST, and the quota with it → the folders that can be opened."""
    extended = {"SPECIAL-USE", "LIST-EXTENDED"} <= channel.capabilities
    commands = [b'LIST "" "*" RETURN (SPECIAL-USE)' if extended else b'LIST "" "*"']
    if "QUOTA" in channel.capabilities:
        commands.append(b"GETQUOTAROOT INBOX")
    answers = channel.gather(*commands)
    if extended and not answers[0].status.ok:
        answers = channel.gather(b'LIST "" "*"') + answers
    everything = [response.parts for answer in answers for response in answer.responses]
    for key, resource in (("quota", b"STORAGE"), ("quota_messages", b"MESSAGE")):
        quota = parse_quota(everything, resource)
        if quota is not None:
            learned[key] = quota
    if not answers[0].status.ok:
        learned["interrupted"] = answers[0].status.raw[:_REPLY]
        return []
    listing = parse_listing(parts for parts in everything if is_list(parts[0]))
    folders = [folder for folder in listing.folders if folder.selectable]
    learned["folders"] = len(folders)
    learned["set_aside"] = [raw.decode("utf-8", "backslashreplace")[:100] for raw in listing.set_aside[:NAMED]]
    learned["special_use"] = _special_uses(listing.folders)
    return folders


def _special_uses(folders: Sequence[Folder]) -> dict[str, str]:
    """The first folder of each use."""
    uses: dict[str, str] = {}
    for folder in folders:
        for attribute in sorted(folder.attributes):
            if found := _USES.fullmatch(attribute):
                uses.setdefault(_ALIASES.get(found[1], found[1]), folder.name)
    return uses


def _look_into(channel: Channel, folders: Sequence[Folder], learned: dict[str, object]) -> None:
    """STATUS of each folder but INBOX, which is open already (RFC 9051 section 6.3.11)."""
    readable = 0
    unreadable: list[dict[str, str]] = []
    tried = folders[:FOLDERS]
    learned |= {"readable": 0, "unreadable": unreadable, "unread": len(folders)}
    for start in range(0, len(tried), AT_ONCE):
        batch = tried[start : start + AT_ONCE]
        for folder, refusal in _statuses(channel, batch):
            if not refusal:
                readable += 1
            elif len(unreadable) < NAMED:
                unreadable.append({"folder": folder.name, "reply": refusal})
        learned |= {"readable": readable, "unread": len(folders) - start - len(batch)}


def _statuses(channel: Channel, folders: Sequence[Folder]) -> list[tuple[Folder, str]]:
    """Each folder, and the server's words if it doesn't open."""
    commands: list[bytes] = []
    asked: list[Folder] = []
    found: list[tuple[Folder, str]] = []
    for folder in folders:
        try:
            command = b"STATUS %s (MESSAGES)" % quoted(folder.wire, "folder name")
        except UsageError as error:
            found.append((folder, error.message))
            continue
        if folder.name == "INBOX":
            found.append((folder, ""))
            continue
        commands.append(command)
        asked.append(folder)
    answers: list[Answer] = channel.gather(*commands) if commands else []
    return found + [(f, "" if a.status.ok else a.status.raw[:_REPLY]) for f, a in zip(asked, answers, strict=True)]

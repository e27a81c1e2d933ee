"""A pasted text or a whole log, taken apart into the passages that may tell why something failed. Pure; bounded.

A passage is a line without what a program put in front of the server's words, or a reply of several lines (RFC 5321
section 4.2.1) as one. Beside it stands what its surroundings tell: protocol and stage, and who speaks.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from mailctl.diagnosis.trouble import trouble
from mailctl.domain.record import dataclass

LONGEST = 4096
"""Characters of a line that are looked at."""


@dataclass(frozen=True, slots=True)
class Passage:
    """first, last: numbers of its lines, from 0. text: without prefixes. weight: of its words that speak of trouble.

    protocol, stage: as in `Evidence`, "" if nothing tells. oauth: whether a token was what the sign-in used.
    """

    first: int
    last: int
    text: str
    weight: int
    protocol: str = ""
    stage: str = ""
    oauth: bool = False


_FRONT = re.compile(
    r"""^(?:\d\d:\d\d:\d\d\.\d{3} -> )?[ \t]*(?:(?P<server>(?:S:|<-?[~*]*|<<<|<\*\*|reply:|recv:|Server:)[ \t])"""
    r"""|(?P<client>(?:C:|~>|->|>{1,3}|send:|Client:|\*cmd\*)[ \t])"""
    r"""|\d\d:\d\d\.\d\d[ \t](?P<way>[<>])[ \t])?(?P<quote>b?['"](?=[A-Z0-9*+-]))?"""
)
_SAID = re.compile(
    r"(?i)(\b(?:sa(?:id|ys)|repl(?:y|ied)|respon[a-z]+|returned|answer(?:ed)?|error)[^:\n]{0,40}: ?)(?=[45]\d\d[ -])"
)
_TUPLE = re.compile(r"(\()(?=[45]\d\d, ?b?['\"])")
_CODE = re.compile(r"\b[45](?:\d\d|\.\d{1,3}\.\d{1,3})\b")
_DIGITS = str.maketrans("", "", "0123456789")
_ALIKE = 200
"""Characters at the end of two passages that must be the same, but for numbers, to make them one."""
_REPLY = re.compile(r"^([2-5]\d\d)(-|[ ]|$)")
_STRONG = re.compile(
    r"(?i)fail|error|refus|denied|reject|invalid|-ERR|(?<!\S)5\d\d[ -]|\b[45]\.\d{1,3}\.\d{1,3}\b|timed out|expired"
    r"|AADSTS|[A-Z]{4,}(?:FAILED|EXPIRED|DENIED)| (?:NO|BAD) (?=[\[A-Z])"
)
_COMMAND = re.compile(
    r"(?i)^(?:(?P<tag>[A-Z0-9.]{1,16}) )?(?P<verb>LOGIN|AUTHENTICATE|AUTH|PASS|APOP|STARTTLS|STLS|SELECT|EXAMINE|APPEND"
    r"|MAIL FROM|RCPT TO|DATA|EHLO|HELO)\b(?P<rest>[^\n]{0,40})"
)
_STAGES = {
    **dict.fromkeys(("LOGIN", "AUTHENTICATE", "AUTH", "PASS", "APOP"), "authenticate"),
    **dict.fromkeys(("STARTTLS", "STLS"), "starttls"),
    **dict.fromkeys(("SELECT", "EXAMINE"), "select"),
    "MAIL FROM": "mail",
    "RCPT TO": "rcpt",
    "DATA": "data",
}
_STAGE_WORDS = (
    (
        "rcpt",
        re.compile(r"(?i)in reply to RCPT TO|after RCPT|SMTPRecipientsRefused|\bRCPT TO:?<|RCPT failed|add recipient"),
    ),
    ("mail", re.compile(r"(?i)in reply to MAIL FROM|after MAIL FROM|SMTPSenderRefused|MAIL failed|set sender")),
    ("data", re.compile(r"in reply to (?:end of )?DATA|after (?:end of )?DATA|SMTPDataError", re.IGNORECASE)),
    ("authenticate", re.compile(r"SMTPAuthenticationError|\bauthentication failed\b", re.IGNORECASE)),
)
_SHAPES = (
    (
        "imap",
        re.compile(
            r"^(?!-ERR)(?:[A-Za-z0-9.$_-]{1,16}|\*) (?:NO|BAD|BYE|PREAUTH)(?: |$)|imaplib\.|\bIMAP4?(?:\.error|rev1\b)"
        ),
    ),
    ("pop3", re.compile(r"^-ERR\b|poplib\.|\b\[(?:AUTH|SYS/TEMP|SYS/PERM|LOGIN-DELAY)\]")),
    (
        "smtp",
        re.compile(r"^[45]\d\d(?:[ -]|, )|smtplib\.|\bSMTP[A-Z][a-z]+(?:Error|Refused|Exception)\b|postfix/smtp\b"),
    ),
)
_ADDRESS = re.compile(r"\b[^\s@]{1,64}@[\w.-]+")
_NAMES = re.compile(r"\b(?:[a-z0-9_-]{1,63}\.){1,6}[a-z]{2,18}\b", re.IGNORECASE)
_PORT = re.compile(
    r"\b((?:[a-z0-9-]{1,63}\.){1,6}[a-z]{2,18})(?:\[[0-9a-fA-F.:]+\])?:(25|110|143|465|587|993|995|2525)\b",
    re.IGNORECASE,
)
_PORT_NAMED = re.compile(r"\bport\W{1,3}(25|110|143|465|587|993|995|2525)\b", re.IGNORECASE)


def passages(lines: Sequence[str], most: int) -> list[Passage]:
    """The `most` passages of `lines` likeliest to tell of a failure, in their order; of equal ones the first."""
    found = list(_told(lines))
    heaviest = sorted(found, key=lambda passage: -passage.weight)[:most]
    return sorted(heaviest, key=lambda passage: passage.first)


def hosts(text: str) -> list[str]:
    """Names in `text` that may be hosts', without those of mail addresses; each once, in lower case."""
    return list(dict.fromkeys(name.lower() for name in _NAMES.findall(_ADDRESS.sub(" ", text))))


def endpoint(text: str) -> tuple[str, int]:
    """The first host and port in `text` where the port is one of mail's; "" and 0 for what isn't there."""
    if found := _PORT.search(text):
        return found[1].lower(), int(found[2])
    named = _PORT_NAMED.search(text)
    return "", int(named[1]) if named else 0


def _told(lines: Iterable[str]) -> Iterator[Passage]:
    """What a server or program said, once if said often; what a client sent only tells the stage of the answer."""
    stage, oauth, pending = "", False, ""
    tags: dict[str, str] = {}
    first, parts = 0, [""]
    seen: set[tuple[str, str]] = set()
    for number, raw in enumerate(lines):
        line = raw[:LONGEST].rstrip()
        front = _FRONT.match(line)
        assert front is not None  # every part of it may be missing  # noqa: S101
        text = line[front.end() :].strip()
        command = _COMMAND.match(text)
        sent = bool(front["client"]) or front["way"] == ">"
        if command and (sent or (not trouble(text) and not front["server"])):
            stage = _STAGES.get(command["verb"].upper(), "")
            oauth = oauth or "OAUTH" in command["rest"].upper()
            if command["tag"] and len(tags) < 1000:
                tags[command["tag"]] = stage
            continue
        if sent or not text:
            continue
        reply = _REPLY.match(text)
        if reply and reply[1] == pending:
            parts.append(text)
        else:
            if pending:  # a reply that was not quoted to its end
                yield _passage(first, number - 1, "\n".join(parts), stage, oauth)
            first, parts = number, [text]
        pending = reply[1] if reply and reply[2] == "-" and len(parts) < 50 else ""
        whole = "\n".join(parts)
        if pending or (alike := (" ".join(_CODE.findall(whole)), whole.translate(_DIGITS)[-_ALIKE:])) in seen:
            continue
        seen.add(alike)
        yield _passage(first, number, whole, tags.get(text.split(" ", 1)[0], stage), oauth)
    if pending:
        yield _passage(first, first + len(parts) - 1, "\n".join(parts), stage, oauth)


def _passage(first: int, last: int, text: str, stage: str, oauth: bool) -> Passage:
    text = _TUPLE.sub(r"\1\n", _SAID.sub(r"\1\n", text))
    strong = _STRONG.search(text[:1000])
    weight = min(len(trouble(text[:1000])), 6) + (6 if strong else 0)
    protocol = next((name for name, shape in _SHAPES if shape.search(text)), "")
    named = next((name for name, shape in _STAGE_WORDS if shape.search(text)), "")
    return Passage(first, last, text, weight, protocol, named or stage, oauth)

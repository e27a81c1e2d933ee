"""From a text to what the matcher compares: its codes, and a normal form of its words. Text is hostile: bounded first.

A code is what a standard gives a meaning: `[AUTHENTICATIONFAILED]` (RFC 5530; POP3's, RFC 2449 and 3206, look the
same), `5.7.8` (RFC 3463, 5248) and its class `5.7.x`, `535` (RFC 5321), `BAD`, `NO` (RFC 9051, to a command), `-ERR`
(RFC 1939), `AADSTS50076` (Microsoft's), `speaks:pop3` (whose greeting it is).
"""

import re

LONGEST = 8192
"""Characters of a text that are looked at."""

_BRACKETED = re.compile(r"\[([A-Za-z][A-Za-z0-9/-]{1,30})(?=[\] ])")
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d)")
_REPLY = re.compile(r"^\W{0,4}([2-5]\d\d)(?=[ \-,:]|$)", re.MULTILINE)
_REPLY_BEFORE_ENHANCED = re.compile(r"(?<!\d)([245]\d\d)[ -]#?[245]\.\d")
_REPLY_NAMED = re.compile(
    r"(?i)(?<!http )\b(?:failed|error|code|said|status|reply|response|responded|returned|exception)\W{1,6}"
    r"(421|432|45[0-5]|50[0-4]|51[0-7]|52[1-5]|53[0458]|55[0-7]|571)\b"
)
_TAGGED = re.compile(r"^\W{0,4}[A-Za-z0-9.]{1,16} (BAD)(?= )", re.MULTILINE | re.IGNORECASE)
_REFUSED = re.compile(r"^(?:[A-Za-z0-9.]{1,16} )?(NO|-ERR)(?= |$)")
_MICROSOFT = re.compile(r"\b(AADSTS\d{4,7})\b")
_CONTINUED = re.compile(r"\r?\n\W{0,2}[2-5]\d\d[ -](?:[245]\.\d{1,3}\.\d{1,3}\s)?")
_MAIL = re.compile(
    r"(?i)\b(?:e?smtps?|imaps?|pop3s?|lmtp|e-?mails?|mail(?:box|er|ers|boxes)?|outlook|thunderbird|messages?|rcpt|postfix"
    r"|dovecot|exim|sendmail|exchange|recipients?|inbox|vmail|maildir|sieve|[a-z0-9._+-]+@[a-z0-9-]+\.[a-z]{2,})\b"
    r"|(?<!\d)[45]\d\d[ -][45]\.\d"
)
_SPACE = re.compile(r"\s+")
_PLAIN = str.maketrans("‘’“”‐‑–-", "''\"\"    ")
_IDENTIFIER = re.compile(r"\b(?:[A-Za-z]+[a-z][A-Z][A-Za-z]+|[A-Za-z']{2,}(?:_[A-Za-z']+)+)\b")
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z']+|[A-Z]+")
_MOST_IDENTIFIERS = 30
_FORM = re.compile(r"\w\+\w+\+\w+\+\w")
_APART = " " * 101
"""More than a ` * ` of a phrase stands for."""
_SAME = (
    *(("can't", "can not"), ("cannot", "can not"), ("n't ", " not "), ("'s ", " "), (" e mail", " email")),
    *(("log in", "login"), ("logon", "login"), ("log on", "login"), ("sign in", "login"), ("signin", "login")),
    *(("user name", "username"), ("pass word", "password"), ("mail box", "mailbox"), ("host name", "hostname")),
    *(("timed out", "timeout"), ("time out", "timeout"), (" timedout", " timeout"), ("over quota", "overquota")),
    *(("black list", "blocklist"), ("blacklist", "blocklist"), ("block list", "blocklist"), ("graylist", "greylist")),
    *(("grey list", "greylist"), ("gray list", "greylist"), ("start tls", "starttls"), ("ratelimit", "rate limit")),
    *(("authoris", "authoriz"), ("recognis", "recogniz"), ("honour", "honor"), ("selfsigned", "self signed")),
)
"""Spellings of the same word."""
_GREETINGS = (
    ("speaks:imap", ("* OK", "* PREAUTH", "* BYE")),
    ("speaks:pop3", ("+OK", "-ERR")),
    ("speaks:smtp", ("220 ", "220-")),
    ("speaks:http", ("HTTP/", "<!DOCTYPE", "<html")),
    ("speaks:ssh", ("SSH-",)),
)


def codes(text: str) -> frozenset[str]:
    """The codes that `text` holds."""
    text = text[:LONGEST]
    found = {f"[{code.upper()}]" for code in _BRACKETED.findall(text)}
    enhanced = _ENHANCED.findall(text)
    found.update(enhanced, (f"{each[:4]}x" for each in enhanced if each[3] == "."))
    found.update(_REPLY_NAMED.findall(text))
    found.update(_REPLY.findall(text), _REPLY_BEFORE_ENHANCED.findall(text))
    found.update(_MICROSOFT.findall(text))
    found.update(each.upper() for each in _TAGGED.findall(text))
    found.update(_REFUSED.findall(text))
    begin = text.lstrip("b'\"( \t\r\n")
    found.update(name for name, starts in _GREETINGS if begin.startswith(starts))
    return frozenset(found)


def about_mail(text: str) -> bool:
    """Whether anything in `text` tells that it is about mail, not about some other program."""
    return _MAIL.search(text[:LONGEST]) is not None


def words(text: str) -> str:
    """`text` in a normal form: lower case, one line, single spaces for white space and hyphens, one spelling for a
    word that has several; codes that only continue a reply are gone. Behind it, apart, the words that identifiers such
    as UnknownHostException or CERT_HAS_EXPIRED are made of.
    """
    text = _CONTINUED.sub(" ", text[:LONGEST].replace("\\n", "\n"))
    identifiers = _IDENTIFIER.findall(text)[:_MOST_IDENTIFIERS]
    parts = [plain(" ".join(_PART.findall(each))) for each in dict.fromkeys(identifiers)]
    if _FORM.search(text):  # words as a form sends them
        parts.append(plain(text.replace("+", " ")))
    return _APART.join([plain(text), *parts])


def plain(text: str) -> str:
    """What `words` makes of a text without its identifiers; phrases are written in it too."""
    text = _SPACE.sub(" ", text.translate(_PLAIN).lower()).strip()
    for spelling, same in _SAME:
        text = text.replace(spelling, same)
    return text

"""Passwords and tokens in text that people paste, made unreadable before anything of it is shown again. Pure.

What looks like one is masked, at the price of a harmless word now and then.
"""

import re
from collections.abc import Iterable, Iterator

from mailctl.domain.secret import MASK

_COMMANDS = (
    # RFC 9051 section 6.2.3: tag LOGIN user password
    (("login",), r"""(?i)((?:^|[\s'">:])(?!(?:no|bad|ok)\s)[a-z0-9.]{1,12} LOGIN ("[^"]*"|[^\s"{]+) )(?![a-z]+:).+"""),
    (("login",), r"""(^\W{0,8}(?:[CS]>: ?)?LOGIN ("[^"]*"|[^\s"{]+) )\S+\s*$"""),
    # RFC 1939 section 7: PASS password; APOP name digest
    (("pass",), r"""((?:^|[\s'">:])PASS )(?!(?:command|failed|rejected)\b).+"""),
    (("pass",), r"(^\W{0,8}(?:[Cc]: ?)?pass )\S.*"),
    (("apop",), r"(\bAPOP \S+ )[0-9a-fA-F]{8,}"),
    # RFC 4954, 9051, 5034: AUTH MECHANISM initial-response
    (("auth",), r"(?i)(\bAUTH(?:ENTICATE)? [A-Z0-9][A-Z0-9_-]{2,19} )[A-Za-z0-9+/=_-]{8,}"),
    (("bearer", "basic"), r"(?i)(\b(?:Bearer|Basic) )[A-Za-z0-9._~+/=-]{8,}"),
    (("://",), r"(?i)(\b[a-z][a-z0-9+.-]{1,15}://[^\s/:@]{1,128}:)[^\s@]{1,1024}(?=@)"),
    (
        ("pass", "pwd", "secret", "token"),
        r"""(?ix)(["']?\b(?:password|passwd|passphrase|pwd|secret|client_secret|access_token|refresh_token|id_token"""
        r"""|auth-password|auth_password)["']?\s{0,2}(?:=>|[=:])\s{0,2})(?:"[^"]+"|'[^']+'|[^\s,;&)}'"]+)""",
    ),
    (("-u",), r"""(\s(?:-u|--user)[ =]["']?[^\s:"']{1,128}:)[^\s"']+"""),
    (("-ap", "pass"), r"""(\s(?:-ap|--auth-password|--password)[ =])\S+"""),
    # tokens that tell what they are: JWT, Google's, Microsoft's
    (
        ("eyj", "ya29", "ewb"),
        r"(\b)(?:eyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9._-]*|ya29\.[A-Za-z0-9._-]{8,}|EwB[A-Za-z0-9+/=]{40,})",
    ),
)
"""Where a secret stands, after what begins the match; each with the letters without which it needs no compiling."""
_PREFIX = r"^\W{0,8}(?:[CS]: ?|send: ?|reply: ?)?[b'\"]{0,2}"
_BASE64 = re.compile(_PREFIX + r"([A-Za-z0-9+/_-]{4,}={0,2})(?:\\r\\n|['\"\s])*$")
_ASKS = re.compile(r"(?i)(?:^|\W)(?:334(?:[ '\\]|$)|\+ ?[A-Za-z0-9+/=]*\W*$|AUTH(?:ENTICATE)? [A-Z0-9-]{3,20}\W*$)")
_LITERAL = re.compile(r"(?i)\bLOGIN\b.*\{\d+\+?\}\W*$")
_QUOTABLE = 6
_MOST_HIDDEN = 50
_CODED = re.compile(r"(?=[^\n]*[0-9+/=])(?=[^\n]*[a-z])(?=[^\n]*[A-Z])")


def conceal(lines: Iterable[str]) -> Iterator[str]:
    """`lines` of a text or log, one for one, with what looks like a password or token as `***`.

    Masked are the arguments of LOGIN, PASS, APOP, AUTH and AUTHENTICATE, the answers to a server's challenge (base64 on
    a line of its own, or after a literal), passwords in addresses and settings, and bearer tokens.
    """
    hidden: set[str] = set()  # a server may quote later what it was sent

    def hide(match: re.Match[str]) -> str:
        found = match[0].removeprefix(match[1]).strip("\"'\\ \t\r\n")
        if len(found) >= _QUOTABLE and len(hidden) < _MOST_HIDDEN:
            hidden.add(found)
        return match[1] + MASK

    asked = literal = 0
    for line in lines:
        lower = line.lower()
        for needed, command in _COMMANDS:
            if any(letters in lower for letters in needed):
                line = re.sub(command, hide, line)
        for value in hidden:
            line = line.replace(value, MASK)
        alone = _BASE64.match(line)
        if alone and (asked or (len(alone[1]) >= 16 and _CODED.match(alone[1]))):
            line = line[: alone.start(1)] + MASK + line[alone.end(1) :]
        elif literal and line.strip() and not re.match(r"^\W{0,8}(?:S: ?)?\+ ", line):
            line = MASK
            literal -= 1
        asked = 3 if _ASKS.search(line) else max(0, asked - 1)
        literal = 2 if _LITERAL.search(line) else literal
        yield line

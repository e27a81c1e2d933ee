"""Whether a text reports no failure at all; the matcher asks once nothing that it knows was found in it."""

import re

from mailctl.diagnosis.signals import LONGEST
from mailctl.diagnosis.trouble import grave, harmless_gone, trouble

_REPLY = re.compile(
    r"""
    ^\W{0,4}(?:[SC<>]:?\s+|\d\d:\d\d:\d\d\S*\s+){0,2}       # who said it, in a transcript
    (?: (?:\*|[a-z]{0,4}\d{1,6}|OK)?\s*OK\b                  # IMAP
      | \*\ (?:CAPABILITY|FLAGS|LIST|LSUB|SEARCH|STATUS|ID|QUOTA|NAMESPACE|PREAUTH)\b
      | \*\ (?:\d+\ (?:EXISTS|RECENT|FETCH|EXPUNGE))\b
      | \+OK\b | \+\ idling
      | 2[0-5]\d(?:[\ -]|$)                                  # SMTP
      | 354[\ -] | 334\ (?:VXNlcm5hbWU6|UGFzc3dvcmQ6)?$
    )
    | \*\ BYE\b.*\b(?:logging\ out|logout|signing\ off|Courier-IMAP\ server\ shutting)
    | :\ (?:\*|[a-z]{0,4}\d{1,6})\ (?:OK|ID|CAPABILITY)\b
    | \b(?:IDLE|NAMESPACE|UIDPLUS|8BITMIME|ENHANCEDSTATUSCODES)\b.*\b(?:IDLE|NAMESPACE|UIDPLUS|8BITMIME|SIZE|ID)\b
    | (?:SERVER\ ->\ CLIENT|INBOUND|RECEIVED|RESPONSE|reply|header|<[=~-]*)\W{1,5}(?:b['"])?[23]\d\d[\ -]
    | \b(?:IMAP|SMTP|POP3?|SSL|TCP|DNS)\ OK\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_ROUTINE = re.compile(
    r"""
      postfix/ (?:\S*/)? (?: qmgr\[\d+\]:\ \w+:\ (?:from=|removed) | cleanup\[\d+\]:\ \w+:\ (?:message-id|replace:)
        | anvil\[\d+\]:\ statistics: | smtpd\[\d+\]:\ (?:connect\ from | disconnect\ from\b.*\bcommands=\d+$)
        | smtpd\[\d+\]:\ \w+:\ client= | pickup\[\d+\]:\ \w+:\ uid= | scache\[\d+\]:\ statistics:
        | bounce\[\d+\]:\ \w+:\ sender\ delivery\ status\ notification: | \S*\[\d+\]:\ .*\bstatus=sent\b )
    | \bdovecot: .*\b(?: Login:\ user=< | Logged\ out\b | Connection\ closed\ (?:in=|\((?:IDLE|LOGOUT|[A-Z]+\ finished))
        | stored\ mail\ into | saved\ mail\ to | starting\ up ) | \bimap\([^)]*\).*:\ (?:Disconnected:\ )?Logged\ out\b
    | (?:imap|pop3)(?:-login)?\b.*\bLogged\ out\b | \bConnection\ closed\ \(IDLE\ running\b
    | \bPassed\ (?:CLEAN|SPAMMY)\b
    | ^\d{4}-\d\d-\d\d\ [\d:.]+\ (?:\[\d+\]\ )?[\w-]{6,}\ (?: (?:<=|=>|->|>>)\ | Completed\b )  # Exim
    | ^\d{4}-\d\d-\d\d\ [\d:.]+\ (?:\[\d+\]\ )?(?:Start|End)\ queue\ run:
    | ^Action:\ (?:delivered|relayed|expanded)$ | ^Status:\ 2\.\d\.\d{1,3}$  # RFC 3464
    | ^(?:Channel\ \S+$ | (?:Opening|Loading)\ (?:far|near)\ side\b | Connection\ is\ now\ encrypted  # mbsync
        | Logging\ in\.\.\. | Synchronizing\.\.\. | Authenticating\ with\ SASL\ mechanism
        | Downloading\ message\ | Detected\ 0\ errors )
    | ^"?DEBUG"\s | ^\ [^:]{1,60}\ \(disabled\)$
    | sendmail\[\d+\]:\ .*\bstat=Sent\b | \bqmail: .*\bdelivery\ \d+:\ success | \bLOGIN,\ user= | \bLOGOUT,\ user=
    """,
    re.VERBOSE,
)
"""Lines of logs that mail servers write all day, whatever words stand in them."""
_SAYS_SO = re.compile(
    r"""
    \b(?: status=sent | successful(?:ly)? | success | succeeded | logged\ (?:in|out) | queued\ as | up\ to\ date
      | verify\ return\ code:\ 0\b | verify\ return:1 | verification:\ ok | noerror | delivered | completed | finished
      | accepted | established | (?:mail|message|email)\ (?:was\ |has\ been\ )?sent | login\ ok | connected
      | connect\ from
      | (?:spf|dkim|dmarc)=pass | (?:exitcode=)?ex_ok | no\ (?:new\ )?(?:mail|messages) | retrieved | skipped | synced
      | transferred | login:\ user=< | idling | idle\ is\ active | poll\ started | tls\ started | passed\ ca
      | everything\ (?:is\ )?(?:fine|ok|well|works) | works\ (?:fine|well|now|again)
      | sent\ (?:the\ )?(?:test\ )?e?-?mail | key\ ok | delivery\ to\ these\ recipients\ or\ groups\ is\ complete
      | action=pass | mail\ exchanger\ =
      | erfolgreich | avec\ succès | correctamente | con\ éxito | con\ successo | com\ sucesso | успешно
      | keine\ neuen | no\ hay\ mensajes\ nuevos | aucun\ nouveau | nessun\ nuovo ) | 成功 | 正常に
    | "access_token":\ ?" | ^\{\s*"MessageId":\ ?"[^"]+"\s*\}\s*$ | \(success\)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CODE = re.compile(
    r"^\W{0,4}[45]\d\d[ -]|(?<![\d.\x22])[45]\.\d{1,3}\.\d{1,3}(?![\d.])|^\W{0,2}-ERR\b|\b0x8[0-9a-f]{7}\b"
    r"|HTTP/\d\.\d\W{1,2}[45]\d\d|=0/\d+ .*commands=|^curl: \(\d+\)",
    re.IGNORECASE | re.MULTILINE,
)
_PLAIN = re.compile(r"[A-Za-z]{2,}")
_ENGLISH = frozenset(
    {"the", "a", "an", "is", "are", "was", "to", "of", "in", "for", "and", "with", "i", "you", "we", "it"}
)
_MAIL = re.compile(
    r"(?i)\b(?:imap|smtp|pop3?|esmtp|lmtp|dovecot|postfix|exim|cyrus|courier|mail(?:box)?|messages?|inbox|dkim|spf|rspamd"
    r"|sieve|mx|fetchmail|mbsync)\b|^C: \d+/\d+ +B: \d+/\d+"
)
_FOREIGN = frozenset(
    {"de", "la", "el", "le", "les", "los", "las", "der", "die", "das", "und", "il", "lo", "che", "non", "per", "con"}
    | {"para", "por", "een", "het", "nie", "och", "att", "ikke"}
)
"""Common words of other languages, in which no word of trouble is known well enough."""
_LOG = 3
"""Lines from which a text is taken for a log, in which words such as `closed` or `not` are usual."""
_DECISIVE = frozenset(
    {"disabled", "missing", "unknown", "required", "requires", "must", "expired", "locked", "warning"}
)
_FEWEST = 2
"""Common words that a text without a word of trouble needs, to be taken for chatter instead of not understood."""


def no_failure(text: str) -> str:
    """The confidence with which `text` reports no failure: high, medium, or "" if that can't be said."""
    text = harmless_gone(text[:LONGEST].replace("\\n", "\n"))
    lines = [line for line in text.splitlines() if line.strip()]
    rest = [line for line in lines if not _REPLY.search(line) and not _ROUTINE.search(line)]
    if not rest:
        return "high" if lines else ""
    left = "\n".join(rest)
    if _CODE.search(left) or grave(left):
        return ""
    slight = trouble(left)
    if _SAYS_SO.search(text) or len(rest) < len(lines):
        return "medium" if slight else "high"
    if slight and len(lines) >= _LOG and _MAIL.search(text) and not slight & _DECISIVE and text.isascii():
        return "low"
    found = {word.lower() for word in _PLAIN.findall(text)} | ({"i", "a"} & set(text.lower().split()))
    known = len(found & _ENGLISH) >= _FEWEST or (_MAIL.search(text) and not found & _FOREIGN)
    return "medium" if not slight and text.isascii() and known else ""

"""Lines that tell of no failure whatever words stand in them: settings, listings, headers, figures. Pure."""

import re
from collections.abc import Sequence

_NORMAL = re.compile(
    r"""
    ^\s*(?: (?!\S*(?:error|message|reason|respon|reply|exception|result|status|descri|detail)\S*\ =)
        [a-z]{2,}_[a-z_]{2,60}\ =\ \S.*                                                 # main.cf, dovecot.conf
      | (?:message|mailbox|virtual_mailbox)(?:_size)?_limit\ =\ \d+ | [a-z]{3,40}\ =\ (?:yes|no|required|may|none|\d+)
      | (?:args|driver|protocols)\ =\ .* | [a-z]+\ \{ | (?:inet_listener|service)\ [\w-]+\ \{ | \}
      | (?:TLSType|SSLType|IMAPAccount|IMAPStore|MaildirStore|Channel|Far|Near|logfile|tls_trust_file)\s+\S+  # mbsyncrc
      | (?:AuthMechs|PassCmd|Patterns?|passwordeval)\s+\S.* | SyncState\s+\*
      | (?:Create|Expunge|Remove)\s+(?:Both|Near|Far|Slave|Master|None)
      | (?:Message\ rate|Reconnections\ to\ host[12]|Biggest\ message|Memory\ consumption\ at\ the\ end)\s+:\ .*
      | Maximum\ message\ size\ is\ \d+\ bytes.*
      | Timeout\s+:\ \d+\ \(sec\)                                                                         # openssl
      | Secure\ Renegotiation\ IS\ NOT\ supported | No\ (?:ALPN\ negotiated|client\ certificate\ CA\ names\ sent)
      | Early\ data\ was\ not\ sent
      | \((?:No\ client\ certificate\ requested|using\ TLS.*|not\ verified)\)
      | X-Spam-Status:\ No,.* | [A-Z0-9_,]+\ autolearn=.* | .*\ \(no\ action\):\ \[.*  # scanners
      | .*\bspamd(?:\[\d+\])?:\ (?:spamd:\ )?(?:clean\ message|result:\ \.).*
      | (?:\S+\ \d*\s*(?:IN\s+)?TXT\s+)?"?v=(?:DMARC1|spf1|DKIM1)\b[^:]{0,20}(?:[;\ ].*)?"?
      | (?:dkim|spf|dmarc|arc)=pass\b.* | Authentication-Results:\ [\w.-]+;(?:\ *(?:dkim|spf|dmarc)=pass\b.*)?
      | Quota\ name\s+Type\s+Value\s+Limit\s+%
      | [\ |`-]*(?:Currently|Total)\ (?:failed|banned):\s+0
      | .*\bABSOLUTELY\ NO\ WARRANTY\b.* | .*\bwelcome\ to\ redistribute\ it\b.*|under\ certain\ conditions;\ type\ .*
      | -\w,\ --[a-z-]+\s.* | Access-Control-Allow-\S+:.*
      | Non-authoritative\ answer:
      | \d+(?:\.\d+){2,3}\ \([0-9a-f]{8,12}\) | \w+\ \d+\.\d+(?:\.\d+)?\ \(\d{4}-\d\d-\d\d\) | Copyright\ \(C\)\ .*
      | User\ quota\ (?:STORAGE|MESSAGE)\s+\d+\s+(?:\d+|-)\s+[0-8]?\d  # far from full
      | read\ R\ BLOCK | \*\ QUOTAROOT\ .*
      | notifications\ of\ mail\ delivery\ errors\ from\ other\ systems\.
    )\s*$
    """,
    re.VERBOSE,
)
_BYE = re.compile(r"(?:^|\s)(?:221[ -]|\* BYE\b|\+OK (?:bye|logging out|sayonara)|QUIT\s*$)", re.IGNORECASE)
_CLOSED = re.compile(r"(?i)^\W*(?:closed|connection (?:was )?closed(?: (?:by foreign|with remote) host)?\.?)\W*$")
_OFFERS = re.compile(r"^\W{0,4}(?:\S )?(?:\* CAPABILITY |\* OK \[CAPABILITY [^\]]*\])[A-Za-z0-9=+/.:_ -]*$")
"""What an IMAP server can do; that LOGINDISABLED is in it, is wrong only where a client complains."""
_ANSWERED = re.compile(r"^[A-Za-z0-9.]{1,16} OK\b(?! \[)")
_LONGEST = 1000


def normal_gone(lines: Sequence[str]) -> list[str]:
    """`lines`, as many, with "" for those that tell of no failure."""
    left, parted = [], False
    for line in lines:
        short = line[:_LONGEST]
        parted = parted or _BYE.search(short) is not None
        left.append("" if _NORMAL.match(short) or (parted and _CLOSED.match(short)) else line)
    return left


def only_offers(lines: Sequence[str]) -> bool:
    """Whether `lines` are nothing but what an IMAP server lists of its abilities, and that it did so."""
    told = [line for line in lines if line.strip()]
    answered = sum(_ANSWERED.match(line) is not None for line in told)
    offers = sum(_OFFERS.match(line[:_LONGEST]) is not None for line in told)
    return answered > 0 and offers > 0 and answered + offers == len(told)

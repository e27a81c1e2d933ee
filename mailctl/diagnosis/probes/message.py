"""The message that a gateway sends to itself, as octets (RFC 5322)."""

from datetime import datetime

from mailctl.diagnosis.probes.headers import MARK
from mailctl.domain.address import parse_address
from mailctl.domain.probe import ProbeMessage

_TEXT = """\
This message was sent by mailctl, a program that tests mailboxes, from
{address}
to itself, to see whether mail can be sent from there and arrives.

Nobody has to answer it or to do anything. mailctl removes it once it has
arrived; if you still see it, you can delete it.
"""
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def probe_message(address: str, now: datetime, token: str) -> ProbeMessage:
    """A message from and to `address` (domain in A-labels), dated `now` (aware), which `token` makes unique.

    Raises UsageError for what is no address: nothing that could end a header line gets into one (RFC 5322 section 2.2).
    """
    parsed = parse_address(address)
    whom = str(parsed)
    message_id = f"<mailctl-probe-{token}@{parsed.domain}>"
    subject = f"mailctl test message {token[:8]}"
    lines = [
        f"Date: {_date(now)}",
        f"From: <{whom}>",
        f"To: <{whom}>",
        f"Subject: {subject}",
        f"Message-ID: {message_id}",
        f"{MARK}: {message_id}",
        "Auto-Submitted: auto-generated",  # RFC 3834: nothing answers it by itself
        "X-Auto-Response-Suppress: All",  # the same, for Exchange
        "MIME-Version: 1.0",
        f"Content-Type: text/plain; charset={'us-ascii' if whom.isascii() else 'utf-8'}",
        f"Content-Transfer-Encoding: {'7bit' if whom.isascii() else '8bit'}",
        "",
        *_TEXT.format(address=whom).splitlines(),
    ]
    return ProbeMessage(message_id, subject, "".join(f"{line}\r\n" for line in lines).encode())


def _date(now: datetime) -> str:
    """As RFC 5322 section 3.3 has it; strftime would use the words of the locale."""
    return f"{_DAYS[now.weekday()]}, {now.day} {_MONTHS[now.month - 1]} {now:%Y %H:%M:%S %z}"

"""IMAP (RFC 9051, RFC 3501): sessions for checks, mailboxes for sync; the parsers are pure functions."""

from mailctl.protocols.imap.mailbox import Mailbox
from mailctl.protocols.imap.names import decode_name, encode_name
from mailctl.protocols.imap.session import ImapSession, imap_session, open_imap

__all__ = ["ImapSession", "Mailbox", "decode_name", "encode_name", "imap_session", "open_imap"]

"""IMAP (RFC 9051, RFC 3501): sessions for checks, mailboxes for sync; the parsers are pure functions."""

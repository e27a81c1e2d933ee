"""Archive mode over IMAP: what the server has comes down; nothing disappears here."""

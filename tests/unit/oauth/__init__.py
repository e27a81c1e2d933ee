"""The flows and the keeping of OAuth tokens, without a socket."""

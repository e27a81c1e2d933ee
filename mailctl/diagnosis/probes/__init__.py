"""Probes: a message that a gateway sends to itself is sent, looked for, read and removed."""

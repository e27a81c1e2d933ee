"""Loopback servers that misbehave as a script says, for what no real server shows."""

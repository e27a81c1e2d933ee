"""Frozen values and pure decisions; the standard library only, no input or output."""

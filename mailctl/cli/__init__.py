"""The front door: one file per noun; a command parses, calls one operation, emits its result."""

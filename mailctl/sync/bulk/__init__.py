"""Many messages of one folder at once: over one connection, or over several with a process each."""

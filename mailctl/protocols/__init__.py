"""One adapter per protocol; the only rooms with a socket."""

"""Line ends: CRLF on the wire, LF in a Maildir, and nothing lost on the way. Pure.

A message whose every CR is followed by LF and every LF preceded by CR is stored with LF; it is decoded by LF → CRLF.
Any other message is stored verbatim, octet by octet, and its file name says so; it is decoded by doing nothing.
So decode(encode(x)) == x for all octets x.
"""


class Converter:
    """Turns a message into its stored form chunk by chunk, while it is regular.

    `feed` and `end` return what to store next, or None when the message turned out to be irregular: what was stored so
    far is then expanded (`expand`; it was regular, so that is exact), followed by `held` and all further octets as they
    come.
    """

    def __init__(self) -> None:
        self.held = b""
        """Octets that were taken in and neither returned nor refused: a CR whose LF has not come, or all of a chunk
        that was found irregular."""

    def feed(self, chunk: bytes) -> bytes | None:
        """Take the next octets."""
        if self.held:
            chunk = self.held + chunk
            self.held = b""
        cr = chunk[-1:] == b"\r"
        body = chunk[:-1] if cr else chunk
        stored = body.replace(b"\r", b"")
        if stored.replace(b"\n", b"\r\n") != body:  # the definition itself, and twice as fast as counting CRLF
            self.held = chunk
            return None
        if cr:
            self.held = b"\r"
        return stored

    def end(self) -> bytes | None:
        """The octets are over."""
        return None if self.held else b""


def expand(stored: bytes) -> bytes:
    """The octets on the wire of a part of a file that is not verbatim."""
    return stored.replace(b"\n", b"\r\n")


def encode(octets: bytes) -> tuple[bytes, bool]:
    """(what is stored, whether it is verbatim) for a whole message."""
    converter = Converter()
    stored = converter.feed(octets)
    if stored is None or converter.end() is None:
        return octets, True
    return stored, False


def decode(stored: bytes, *, verbatim: bool) -> bytes:
    """The octets on the wire of a whole stored message."""
    return stored if verbatim else expand(stored)

"""What a SASL mechanism (RFC 4422) is to whoever carries it out; no socket."""

from mailctl.errors import MailctlError, ProtocolError


class Mechanism:
    """One sign-in. name: as registered. client_first: whether it begins with the client's words."""

    name: str
    client_first: bool

    def step(self, challenge: bytes) -> bytes:
        """The response to `challenge` (decoded; b"" to begin with). ProtocolError for one that makes no sense."""
        raise NotImplementedError

    def finish(self) -> None:
        """The server says that we are in. ProtocolError if the mechanism has the server prove itself and it did not."""

    def refused(self, error: MailctlError) -> MailctlError:
        """The error to raise where the server refused, or ended the connection: with what the exchange told of why."""
        return error


def senseless(name: str) -> ProtocolError:
    """The error for a challenge that the mechanism `name` does not have."""
    return ProtocolError(f"The server sent a challenge that makes no sense in {name}", code="bad_challenge")

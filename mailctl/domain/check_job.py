"""What is to be checked, apart from what comes of it: any connection is made for such a job."""

from mailctl.domain.gateway import Login
from mailctl.domain.record import dataclass
from mailctl.domain.server import Endpoint, Protocol


@dataclass(frozen=True, slots=True)
class CheckJob:
    """What one check needs; picklable, holds no secret.

    gateway: its name, or "" for a bare address. server: its name, or "". provider: preset id or "". timeout: seconds
    for the whole check. facts: what else is known, in the words of the failure knowledge (`wants:app_password`).
    attachment_limit: of the gateway, in octets, None for none. relaying: whether to ask if mail is passed on elsewhere.
    token_refused: the digest of the login's OAuth token that the server refused, another one is wanted; "" for none.
    """

    gateway: str
    address: str
    protocol: Protocol
    endpoint: Endpoint
    login: Login
    provider: str = ""
    allow_plaintext: bool = False
    timeout: float = 30.0
    trace: bool = False
    server: str = ""
    facts: frozenset[str] = frozenset()
    attachment_limit: int | None = None
    relaying: bool = True
    token_refused: str = ""

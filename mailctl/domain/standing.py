"""How far a long work is."""

from mailctl.domain.record import dataclass


@dataclass(slots=True)
class Standing:
    """Messages and octets: done, and in all as far as is known by now."""

    messages: int = 0
    of_messages: int = 0
    octets: int = 0
    of_octets: int = 0

"""Messages for the tests of sync, and what a folder of the server in memory holds."""

from tests.doubles.imap import MemoryFolder


def mail(number: int, more: str = "") -> bytes:
    return f"Message-ID: <{number}@x>\r\nSubject: {number}\r\n\r\nbody {number} {more}\r\n".encode()


def served(folder: MemoryFolder) -> list[bytes]:
    return [message.body for _, message in sorted(folder.messages.items())]

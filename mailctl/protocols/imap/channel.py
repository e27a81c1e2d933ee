"""Commands out, responses in, over one `Wire`: tags, literals, bounds, and the end of a connection that went wrong.

What responses mean is their readers' business; what a refusal becomes is `status.refusal`'s.

NOTE: imapclient's session, on imaplib, was weighed for this and left: it sends a user name unquoted, keeps the password
in a log of commands, bounds nothing that a server sends, mixes the server's words with its own before anyone can judge
them, knows neither SASL-IR nor two commands in flight, and its import costs a third of what a whole run may take. What
it does well, the spelling of folder names, is used (`names`).
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field
from math import inf
from time import monotonic

from mailctl.domain.deadline import Deadline
from mailctl.domain.record import dataclass
from mailctl.errors import MailctlError, NetworkError, ProtocolError
from mailctl.protocols import arguments
from mailctl.protocols.imap.in_flight import InFlight
from mailctl.protocols.imap.status import Status, parse_status_response, refusal
from mailctl.protocols.imap.tokens import literal_size
from mailctl.protocols.wire import Wire

LINE = 1 << 20
"""Octets of one line of a response, literals apart."""
LONG_LINE = 1 << 24
"""The same where one line names every message of a folder (SEARCH): a million UIDs."""
ANSWER = 1 << 23
"""Octets of all that a server sends until it has answered one command, FETCH apart."""
RESPONSES = 100_000
"""Responses that answer one command, FETCH apart: more than any account has folders."""
COMMAND = 600.0
"""Seconds that one command may take once signed in, and that may pass after a body, even if the server never rests."""
PACE = 1 << 17
"""What may come in answer to a command adds a second for each so many octets: a row of FETCH has 4 KiB at most."""
WARNINGS = 4
"""Untagged NO, BAD, BYE and ALERT that are kept of one answer, the last ones."""
STRING = 1 << 16
"""Octets of a literal that is not a message body: a folder's name, a flag."""


@dataclass(frozen=True, slots=True)
class Response:
    """One response. tag: `*`, `+` or a command's. parts: the whole line, then each literal and the line after it.

    status: the status response that this is, or None.
    """

    tag: bytes
    parts: list[bytes]
    status: Status | None = None

    @property
    def line(self) -> bytes:
        """The first line, without CRLF."""
        return self.parts[0]


@dataclass(slots=True)
class Answer:
    """All that answered one command. warnings: the untagged NO, BAD, BYE and ALERT, the server's words raw."""

    status: Status = field(default_factory=lambda: Status("OK"))
    responses: list[Response] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def checked(self, command: str, *, sign_in: bool = False) -> "Answer":
        """Itself if the tagged response is OK; else raises what `status.refusal` makes of it."""
        if self.status.ok:
            return self
        error = refusal(self.status, command, sign_in=sign_in)
        error.server_text = "\n".join([*self.warnings, error.server_text])
        raise error


class Channel:
    """One command at a time over `wire`. After a NetworkError, TlsError or ProtocolError it is dead, with the wire.

    capabilities: as last told, upper case. enabled: what ENABLE turned on (RFC 5161), upper case. bye: what the server
    said when it ended the connection, or None.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.capabilities: frozenset[str] = frozenset()
        self.enabled: frozenset[str] = frozenset()
        self.bye: Status | None = None
        self.dead = False
        self.bounded = False
        """Whether each command gets a deadline of its own (COMMAND, PACE); before, the caller's holds."""
        self.folder_open = False
        """Whether the server may have a folder open for us."""
        self.exists = 0
        """Messages that the server said the open folder has, at most, since somebody set this to 0."""
        self.in_flight = InFlight()
        self.turn = wire.secured.stream.turn if wire.secured else inf
        """Seconds that the quickest answer of a `flow`, or of TLS, took: a round trip, and the server's work."""
        self._ahead: list[bytes] = []

    # -- sending

    def send(self, command: bytes, *, secret: bool = False, most: int | None = ANSWER) -> bytes:
        """Send a command, already checked by `arguments`, under a new tag → the tag.

        most: octets that may come until the next command.
        """
        self._begin(most)
        return self._submit([command], secret=secret)[0]

    def send_more(self, *commands: bytes, most: int) -> list[bytes]:
        """Send commands in one go while others are unanswered → their tags. They may bring `most` octets in all."""
        self._begin(most if self.wire.allowance is None else self.wire.allowance + most)
        return self._submit(commands)

    def start(self, *, most: int) -> bytes:
        """The tag of a command that the caller sends piece by piece, while others may be unanswered."""
        self._begin(most if self.wire.allowance is None else self.wire.allowance + most)
        return self.in_flight.begin([b""])[0]

    def send_along(self, command: bytes) -> None:
        """Send `command` with the next one, in front of it; nobody waits for its answer."""
        self._ahead.append(command)

    def _submit(self, commands: Sequence[bytes], *, secret: bool = False) -> list[bytes]:
        before, self._ahead = self._ahead, []
        everything = [*before, *commands]
        tags = self.in_flight.begin(everything)
        with self.guarded():
            self.wire.send([b"%s %s\r\n" % each for each in zip(tags, everything, strict=True)], secret=secret)
        return tags[len(before) :]

    def allow(self, seconds: float) -> None:
        """From now on, the command in hand may take COMMAND and so many seconds more."""
        if self.bounded:
            self.wire.deadline = Deadline(COMMAND + seconds)

    def send_line(self, line: bytes) -> None:
        """Send a line of an exchange that the server asked to go on (`+`); it is secret."""
        with self.guarded():
            self.wire.send(line + b"\r\n", secret=True)

    def run(self, command: bytes, *, secret: bool = False, line: int = LINE) -> Answer:
        """Send a command and read all that answers it, refused or not; `line` bounds each line in octets."""
        return self.answer(self.send(command, secret=secret, most=max(ANSWER, 2 * line)), line)

    def answer(self, tag: bytes, line: int = LINE) -> Answer:
        """Read all that answers the command `tag`, the first that is unanswered, refused or not."""
        answer = Answer()
        with self.guarded():
            while (response := self.read(line)).tag != tag:
                if response.tag == b"+":
                    raise ProtocolError("the server asked for more where a command was complete", code="unasked")
                self.note(response, answer)
            self.conclude(response, answer)
        return answer

    def gather(self, *commands: bytes) -> list[Answer]:
        """Send commands of which none depends on another, in one go, and read all that answers them, refused or not.

        An untagged response goes with the first command that is still unanswered: it tells itself what it is about.
        """
        return list(self.flow(commands, depth=len(commands)))

    def flow(self, commands: Iterable[bytes], *, depth: int) -> Iterator[Answer]:
        """Like `gather`, for any number of commands: `depth` of them in flight, answers in the order of the commands.

        The iterator must be exhausted before the next command.
        """
        queue = deque(commands)
        waiting: deque[bytes] = deque()
        answers: dict[bytes, Answer] = {}
        self._begin(ANSWER)
        began = monotonic()
        with self.guarded():
            while queue or waiting:
                if len(waiting) <= depth // 2:
                    fresh = self._next(queue, depth - len(waiting), waiting)
                    tags = self.send_more(*fresh, most=STRING * len(fresh)) if fresh else []
                    waiting.extend(tags)
                    answers |= {tag: Answer() for tag in tags}
                response = self.read()
                if response.tag == b"+":
                    raise ProtocolError("the server asked for more where a command was complete", code="unasked")
                if response.tag in answers:
                    self.conclude(response, answers[response.tag])
                    self.turn = min(self.turn, monotonic() - began)
                else:
                    self.note(response, answers[waiting[0]])
                while waiting and waiting[0] not in self.in_flight:
                    yield answers.pop(waiting.popleft())

    def _next(self, queue: "deque[bytes]", most: int, waiting: Sequence[bytes]) -> list[bytes]:
        """Commands from the front of `queue` that can be sent now, at least one where none is unanswered."""
        fresh: list[bytes] = []
        octets = 0
        while queue and len(fresh) < most and (not (waiting or fresh) or self.in_flight.room(octets + len(queue[0]))):
            fresh.append(queue.popleft())
            octets += len(fresh[-1])
        return fresh

    def _begin(self, most: int | None) -> None:
        if self.dead:
            raise NetworkError("the connection has ended already", code="closed", cause="connection_lost")
        self.wire.allowance = most
        self.allow((most or 0) / PACE)

    # -- receiving

    def read(self, line: int = LINE) -> Response:
        """One whole response, whatever it is, of those that have no message body in them."""
        first = self.read_line(line)
        return self.complete(first, line)

    def read_line(self, line: int = LINE) -> bytes:
        """The first line of the next response, without its line end. NetworkError with the BYE, if that came before."""
        try:
            return self.wire.readline(line).rstrip(b"\r\n")
        except NetworkError as error:
            if self.bye is not None:
                raise refusal(self.bye, "the connection") from error
            raise

    def complete(self, first: bytes, line: int = LINE) -> Response:
        """The response that begins with the line `first`: checked, and its literals read."""
        tag, _, rest = first.partition(b" ")
        if tag not in (b"*", b"+") and tag not in self.in_flight:
            raise ProtocolError("the server answered a command that wasn't given", server_text=shown(first))
        status = parse_status_response(rest) if tag != b"+" else None
        if tag not in (b"*", b"+"):
            if status is None or status.kind not in ("OK", "NO", "BAD"):
                raise ProtocolError(
                    "the server ended a command in a way that IMAP doesn't have", server_text=shown(first)
                )
            self.in_flight.end(tag)
        elif status is not None and status.kind == "BYE":
            self.bye = status
        return Response(tag, [first] if status or tag == b"+" else self._with_literals(first, line), status)

    def _with_literals(self, first: bytes, line: int) -> list[bytes]:
        parts = [first]
        octets = 0
        while (size := literal_size(parts[-1], STRING)) is not None:
            octets += size + len(parts[-1])
            if octets > line:
                raise ProtocolError(f"the server sent a response of more than {line} octets", code="response_too_long")
            parts.append(self.wire.read(size, most=STRING))
            parts.append(self.read_line(line))
        return parts

    def note(self, response: Response, answer: Answer) -> None:
        """Keep an untagged response in `answer`; capabilities that it tells replace those known."""
        if response.tag != b"*":  # answers a command whose answer nobody waits for, which was given before
            if self.in_flight.overtook(response.tag):
                raise ProtocolError("the server answered commands in another order", server_text=shown(response.line))
            return
        if len(answer.responses) >= RESPONSES:
            raise ProtocolError("the server does not come to the end of its answer", code="too_much")
        answer.responses.append(response)
        status = response.status
        if status is None:
            word, words = response.line[2:].upper().partition(b" ")[::2]
            if word == b"CAPABILITY":
                self.learn(words)
            elif word == b"ENABLED":
                self.enabled |= frozenset(words.decode("ascii", "replace").split())
            elif words == b"EXISTS" and word.isdigit():
                self.exists = max(self.exists, int(word[:10]))
            return
        if status.code == "CAPABILITY":
            self.learn(status.argument)
        if not status.ok or status.code in ("ALERT", "WEBALERT"):
            answer.warnings.append(status.raw[:1000])
            del answer.warnings[:-WARNINGS]

    def conclude(self, response: Response, answer: Answer) -> None:
        """Keep the tagged response that ends `answer`; capabilities that it tells replace those known."""
        if response.status is not None:
            answer.status = response.status
            if response.status.code == "CAPABILITY":
                self.learn(response.status.argument)

    def offers(self, extension: str) -> bool:
        """Whether the server has an extension that IMAP4rev2 took in; a server of both revisions speaks the first."""
        return extension in self.capabilities or self.capabilities & {"IMAP4REV1", "IMAP4REV2"} == {"IMAP4REV2"}

    def learn(self, words: bytes) -> None:
        """Capabilities, as CAPABILITY lists them."""
        self.capabilities = frozenset(words.decode("ascii", "replace").upper().split())

    # -- ending

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Work on the connection: whatever stops it half-way ends the connection."""
        try:
            yield
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Drop the connection; never raises."""
        self.dead = True
        self.wire.close()

    def logout(self) -> None:
        """LOGOUT if it can be done at once, and drop the connection; never raises."""
        if not self.dead:
            try:
                self.send(b"LOGOUT", most=LINE)
            except MailctlError:
                return  # it is ended already, and that was wanted
        self.end()


def quoted(value: str | bytes, what: str) -> bytes:
    """`value` (ASCII) as a quoted string. UsageError for line breaks, NUL, non-ASCII, or more than a line may hold."""
    text = arguments.ascii_argument(
        value.decode("ascii", "surrogateescape") if isinstance(value, bytes) else value, what
    )
    return b'"' + text.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def shown(line: bytes) -> str:
    """A line as an error quotes it: its beginning, as text."""
    return line[:200].decode("utf-8", "replace")

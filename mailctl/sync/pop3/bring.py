"""Brings messages of a maildrop down: several RETR in flight, made durable and remembered in batches."""

from collections.abc import Sequence

from mailctl.domain.mailbox import BodySink, MessageMeta, PopMailbox
from mailctl.errors import MailctlError, StorageError
from mailctl.sync.due import HERE
from mailctl.sync.job import FolderTally
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.names import MessageName, uidl_token
from mailctl.sync.local.writer import Writer
from mailctl.sync.pop3.plan import Message
from mailctl.sync.run import Run
from mailctl.sync.state import State


class Bringer:
    """Takes messages into one Maildir folder. keys: what each is called here, by number. folder_hash: of its folder."""

    def __init__(
        self, run: Run, state: State, maildir: MaildirFolder, folder_hash: str, keys: dict[int, str], tally: FolderTally
    ) -> None:
        self._run, self._state, self._keys, self._tally, self._hash = run, state, keys, tally, folder_hash
        self.durable: list[Message] = []
        """The messages that are here now, and remembered."""
        self._token = ""
        self._waiting: list[Message] = []
        self._writer = Writer(maildir, folder_hash, self._name, run.beat)

    def fetch(self, mailbox: PopMailbox, messages: Sequence[Message]) -> None:
        """RETR of all; what came whole is kept, whatever ends it."""
        run = self._run
        by_number = {message[0]: message for message in messages}
        try:
            run.check_stop()
            for number, refused in mailbox.retrieve_all([(n, octets) for n, _, octets in messages], self._sink):
                if refused is not None:
                    self._tally.skip("no_body", f"the server doesn't give it: {refused.message}", uid=number)
                else:
                    self._waiting.append(by_number[number])
                    run.came()
                if self._writer.full:
                    self._settle()
                run.check_stop()
            self._settle()
        except MailctlError as error:
            if not isinstance(error, StorageError):
                self._settle()
            raise
        finally:
            self._writer.discard()

    def _sink(self, number: int, octets: int) -> BodySink:
        self._token = uidl_token(self._keys[number])
        return self._writer.sink(octets)

    def _name(self, meta: MessageMeta) -> MessageName:
        return MessageName(self._hash, uidl=self._token)

    def _settle(self) -> None:
        written = self._writer.commit()
        done = self._waiting[: len(written)]  # one sink a message, in order
        del self._waiting[: len(written)]
        remember(self._state, self._tally.name, self._keys, done, int(self._run.tools.clock()))
        self.durable += done
        self._tally.fetched += len(done)
        self._tally.bytes += sum(message.octets for message in written)
        self._run.arrived(len(done))


def remember(state: State, folder: str, keys: dict[int, str], messages: Sequence[Message], now: int) -> None:
    """Keep that these messages are here since `now`, epoch seconds."""
    with state.together():
        state.save_unique_ids(folder, {keys[number]: octets for number, _, octets in messages})
        state.save_moments(folder, HERE, {keys[number]: now for number, _, _ in messages})

"""A copy of sent mail: filed once, wherever the connection breaks."""

import pytest

from mailctl.domain.changes import Upload
from mailctl.domain.mailbox import Folder
from mailctl.errors import NetworkError, RefusedError, UsageError
from mailctl.sync.sent import Filed, SentCopy, sent_folder, upload_sent
from tests.doubles.imap import MemoryFolder, MemoryServer

BODY = b"Message-ID: <1@x>\r\nSubject: hello\r\n\r\nhello\r\n"
UPLOAD = Upload(len(BODY), lambda: iter([BODY]), frozenset({"\\Seen"}))


def account(name: str = "Sent", *attributes: str) -> MemoryServer:
    return MemoryServer({"INBOX": MemoryFolder(), name: MemoryFolder(attributes=frozenset(attributes))})


def test_it_is_filed_once() -> None:
    server = account()
    assert upload_sent(server.open_imap(), UPLOAD, "<1@x>") == SentCopy(Filed.UPLOADED, "Sent", 1)
    assert upload_sent(server.open_imap(), UPLOAD, "<1@x>") == SentCopy(Filed.THERE, "Sent", 1)
    assert [(m.body, m.flags) for m in server.folders["Sent"].messages.values()] == [(BODY, frozenset({"\\Seen"}))]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 7))
def test_it_is_filed_once_wherever_the_connection_breaks(at: int, after: bool) -> None:
    server, count = account(), 0

    def strike(command: str) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise NetworkError("the connection was lost", cause="connection_lost")

    setattr(server, "after" if after else "before", strike)
    for _ in range(3):
        try:
            upload_sent(server.open_imap(), UPLOAD, "<1@x>")
        except NetworkError:
            continue
    assert len(server.folders["Sent"].messages) == 1


def test_another_message_whose_id_holds_this_one_is_not_it() -> None:
    server = account()
    server.folders["Sent"].add(b"Message-ID: <11@x>\r\nX: <1@x>\r\n\r\n")
    assert upload_sent(server.open_imap(), UPLOAD, "<1@x>").how is Filed.UPLOADED


def test_a_search_that_lags_behind_doubles_nothing() -> None:
    server = account()
    mailbox = server.open_imap()
    mailbox.search_header = lambda name, value: []  # type: ignore[method-assign]  # an index that lags behind
    upload_sent(mailbox, UPLOAD, "<1@x>")
    assert upload_sent(mailbox, UPLOAD, "<1@x>").how is Filed.THERE


def test_a_provider_that_files_it_itself_is_left_to_do_it() -> None:
    server = account()
    assert upload_sent(server.open_imap(), UPLOAD, "<1@x>", files_sent_mail=True) == SentCopy(Filed.BY_PROVIDER)
    assert server.commands == []


def test_without_a_folder_or_an_id_it_is_refused() -> None:
    with pytest.raises(RefusedError, match="no folder for sent mail"):
        upload_sent(account("Other").open_imap(), UPLOAD, "<1@x>")
    for identity in ("", "<\n>", "<é>"):
        with pytest.raises(UsageError):
            upload_sent(account().open_imap(), UPLOAD, identity)


def test_the_folder_is_known_by_its_use_then_by_its_name() -> None:
    used = Folder("Gesendet", b"", "/", frozenset({"\\sent"}))
    named = Folder("INBOX.Sent Items", b"", ".")
    assert sent_folder([named, used]) is used
    assert sent_folder([named, Folder("Other", b"", ".")]) is named
    assert sent_folder([Folder("Sent", b"", "/", frozenset({"\\noselect"}))]) is None

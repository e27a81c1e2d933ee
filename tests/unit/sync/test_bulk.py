"""The bulk path's pure parts: shares, how many connections, whether to compress; and a line that is slow."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailctl import errors
from mailctl.domain.limits import connections_allowed
from mailctl.domain.mailbox import Folder, MessageMeta
from mailctl.domain.server import Endpoint, Security
from mailctl.domain.settings import Limits
from mailctl.errors import MailctlError
from mailctl.sync.bulk import fetcher, pace
from mailctl.sync.bulk.crew import Crew, Shift
from mailctl.sync.bulk.fetcher import Came, Fetcher
from mailctl.sync.bulk.load import LEAST, MOST, Load, Shares, connections
from mailctl.sync.bulk.pace import Pace, worth_compressing
from mailctl.sync.bulk.worker import came_of, packed, told_of, unpacked
from mailctl.sync.job import SyncJob
from mailctl.sync.local.durable import kernel_version
from mailctl.sync.local.files import Files
from mailctl.sync.local.maildir import MaildirFolder
from mailctl.sync.local.names import MessageName
from mailctl.sync.local.paths import FolderPath
from mailctl.sync.local.writer import Part
from tests.doubles.imap import MemoryFolder, MemoryMailbox, MemoryServer

INBOX = Folder("INBOX", b"INBOX")
HASH = "0123456789ab"


def load(uids: Sequence[int], sizes: dict[int, int] | None = None) -> Load:
    return Load(INBOX, FolderPath(("INBOX",)), HASH, 7, uids, sizes or {})


@given(
    st.lists(st.integers(1, 100_000), unique=True, max_size=3000),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
)
def test_shares_hand_out_each_message_once(uids: list[int], crowd: int, chance: object) -> None:
    uids.sort()
    sizes = {uid: uid * 37 % 100_000 for uid in uids if uid % 3}
    shares = Shares(uids, sizes)
    shares.crowd = crowd
    taken: list[int] = []
    lost = set(uids[::50])
    while share := shares.take():
        assert share == sorted(share)
        assert len(share) <= MOST
        back = [uid for uid in share if uid in lost]
        lost -= set(back)
        shares.give_back(back)
        taken += [uid for uid in share if uid not in back]
    assert sorted(taken) == uids
    assert not shares


def test_shares_are_taken_whole_by_one_and_get_smaller_for_several() -> None:
    uids = range(1, 10_001)
    assert len(Shares(uids, {}).take()) == MOST
    shares = Shares(uids, {})
    shares.crowd = 2
    sizes = []
    while share := shares.take():
        sizes.append(len(share))
    assert sizes == sorted(sizes, reverse=True) or sizes[-1] < LEAST
    assert sizes[0] <= MOST
    assert min(sizes[:-1]) >= LEAST
    assert len(sizes) < 60


@pytest.mark.parametrize(
    ("messages", "size", "turn", "processors", "allowed", "expected"),
    [
        (100, 10_000, 0.001, 8, None, 1),
        (1900, None, 0.04, 8, None, 1),
        (2000, None, 0.001, 2, None, 2),
        (1000, 200_000, 0.001, 2, None, 2),
        (1000, 200_000, 0.04, 2, None, 3),
        (1000, 200_000, 0.04, 1, None, 3),
        (1000, 200_000, 0.001, 1, None, 1),
        (6000, 3000, 0.001, 2, None, 2),
        (1000, 200_000, 0.04, 8, 7, 3),
        (1000, 200_000, 0.04, 8, 2, 2),
        (1000, 200_000, 0.04, 8, 1, 1),
    ],
)
def test_connections(
    messages: int, size: int | None, turn: float, processors: int, allowed: int | None, expected: int
) -> None:
    uids = range(1, messages + 1)
    sizes = {} if size is None else dict.fromkeys(uids, size)
    assert connections(load(uids, sizes), turn, processors, allowed) == expected


@pytest.mark.parametrize(
    ("own", "published", "expected"),
    [(None, None, None), (None, 15, 7), (None, 1, 1), (2, None, 2), (2, 15, 2), (8, 5, 2)],
)
def test_connections_that_are_allowed(own: int | None, published: int | None, expected: int | None) -> None:
    assert connections_allowed(Limits(connections=own), published) == expected


def test_what_is_told_is_what_came() -> None:
    flags = frozenset({"\\Seen", "Work"})
    parts = [
        Part("part.1", MessageName(HASH, 7, 3, verbatim=True), MessageMeta(3, flags, 10, 1.5, 9), 10),
        Part("part.2", MessageName(HASH, 7, 4), MessageMeta(4), 20),
    ]
    uids, told = told_of(Came(parts, [(5, 99)]))
    assert uids == [3, 4, 5]
    assert came_of(told, load([])) == Came(parts, [(5, 99)])


@pytest.mark.parametrize("family", sorted(name for name in vars(errors) if name.endswith("Error")))
def test_errors_come_home_as_what_they_were(family: str) -> None:
    made = getattr(errors, family)("words", hint="try", code="code", cause="cause", server_text="NO", detail={"a": 1})
    assert isinstance(made, MailctlError)
    back = unpacked(packed(made))
    assert type(back) is type(made)
    assert vars(back) == vars(made)


@pytest.mark.parametrize(
    ("octets", "seconds", "busy", "expected"),
    [
        (500_000, 0.1, 0.0, None),
        (100_000, 3.0, 0.1, True),
        (3_000_000, 1.0, 0.1, True),
        (3_000_000, 0.2, 0.0, False),
        (3_000_000, 1.0, 0.9, False),
        (50_000_000, 1.0, 0.1, False),
        (1_500_000, 0.4, 0.0, None),
    ],
)
def test_compressing_is_for_slow_lines(octets: int, seconds: float, busy: float, expected: bool | None) -> None:
    assert worth_compressing(octets, seconds, busy) is expected


class SlowMailbox(MemoryMailbox):
    """Brings each message in a quarter of a second, by the clock of `pace`."""

    compressed_after: int | None = None
    brought = 0

    def compress(self) -> bool:
        self.compressed_after = self.brought
        return True

    def fetch(self, uids: Sequence[int], sink: object, more: object = None) -> Iterator[MessageMeta]:
        for meta in super().fetch(uids, sink, more):  # type: ignore[arg-type]  # handed on as it is
            self.brought += 1
            yield meta


@pytest.mark.parametrize("host", ["imap.example.org", "localhost"])
def test_a_slow_line_is_compressed_between_two_commands(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = MemoryServer({"INBOX": MemoryFolder()}, capabilities=frozenset({"COMPRESS=DEFLATE"}))
    server.folders["INBOX"].add(*(b"Subject: x\r\n\r\n" + b"y" * 50_000 for _ in range(200)))
    mailbox = SlowMailbox(server)
    mailbox.select(INBOX, read_only=True)
    monkeypatch.setattr(pace, "monotonic", lambda: mailbox.brought / 4)
    monkeypatch.setattr(pace, "process_time", lambda: 0.0)
    monkeypatch.setattr(fetcher, "monotonic", lambda: 0.0)
    root = Files().open_root(str(tmp_path))
    wanted = load(range(1, 201))
    measured = Pace(mailbox, Endpoint(host, 993, Security.TLS))
    with MaildirFolder(Files(), root, wanted.path, create=True) as maildir:
        came = list(Fetcher(mailbox, maildir, wanted, measured, lambda octets: None).fetch(wanted.uids))
    assert sum(len(each.parts) for each in came) == 200
    assert mailbox.compressed_after == (50 if host != "localhost" else None)


@pytest.mark.parametrize(
    ("release", "expected"),
    [("6.1.0-18-amd64", (6, 1)), ("5.15", (5, 15)), ("5.8-rc1", (5, 8)), ("23.1.0", (23, 1)), ("odd", (0, 0))],
)
def test_kernel_version(release: str, expected: tuple[int, int]) -> None:
    assert kernel_version(release) == expected


def test_where_there_can_be_no_more_workers_nobody_is_asked_again() -> None:
    class Nobody:
        asked = 0

        def start(self, job: object, descriptor: int) -> None:
            self.asked += 1

        def allowed(self, job: object) -> int | None:
            return None

    workers, shares = Nobody(), Shares(range(1, 100_000), {})
    crew = Crew(workers, cast(SyncJob, None), 0)
    crew.most = 2
    crew._current = Shift(load(range(1, 100_000)), shares), load([])
    for _ in range(50):
        crew.reinforce()
    assert (workers.asked, shares.crowd) == (1, 1)

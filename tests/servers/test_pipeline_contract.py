"""What sync relies on in an `ImapPipeline`: the double in memory and the adapter on Dovecot pass the same tests."""

from dataclasses import replace

import pytest

from mailctl.domain.mailbox import Folder
from mailctl.domain.visits import Arrived, Closed, Opened, Shown, Visit
from mailctl.errors import MailctlError, NetworkError, RefusedError, SafetyError, StorageError
from tests.servers.support.contract import BARE, BODY, SMALL, Box, Sink, Site, inbox


def test_survey_tells_folders_and_their_state_at_once(site: Site, box: Box) -> None:
    site.make("Archive")
    uid = site.add(SMALL, [])
    listing = box.survey()
    assert {"INBOX", "Archive"} <= {folder.name for folder in listing.folders}
    assert listing.statuses.keys() == {folder.name for folder in listing.folders}
    told, opened = listing.statuses["INBOX"], box.select(inbox(box), read_only=False)
    assert (told.messages, told.uidnext, told.uidvalidity) == (1, uid + 1, opened.uidvalidity)
    assert told.highestmodseq == opened.highestmodseq is not None
    assert listing.statuses["Archive"].messages == 0
    assert any("\\subscribed" in folder.attributes for folder in listing.folders)
    assert box.quick


def test_survey_stands_still_until_something_changes(site: Site, box: Box) -> None:
    uids = [site.add(SMALL, []), site.add(BARE, [])]
    seen = [box.survey().statuses["INBOX"]]

    def moved() -> bool:
        other = site.connect()
        seen.append(other.survey().statuses["INBOX"])
        other.close()
        return seen[-1] != seen[-2]

    assert not moved()
    site.flag(uids[0], ["\\Flagged"])
    assert moved()
    site.expunge(uids[1])
    assert moved()
    assert not moved()


def test_look_ahead_tells_what_is_in_several_folders_at_once(site: Site, box: Box) -> None:
    site.make("Archive")
    site.make("Gone")
    uids = [site.add(SMALL, []), site.add(BARE, []), site.add(BODY, [])]
    site.expunge(uids[1])
    folders = {folder.name: folder for folder in box.survey().folders}
    missing = replace(folders["Gone"], name="Never", wire=b"Never")
    inbox_, never, archive = box.look_ahead([folders["INBOX"], missing, folders["Archive"]])
    assert never is None
    assert inbox_ is not None
    assert archive is not None
    assert (list(inbox_[1]), list(archive[1])) == ([uids[0], uids[2]], [])
    with pytest.raises(RefusedError):
        box.uids()
    assert inbox_[0] == box.select(inbox(box), read_only=True)
    assert 0 <= box.turn < 60


def test_enter_opens_a_folder_with_the_fetch_that_follows(site: Site, box: Box) -> None:
    uids = [site.add(SMALL, []), site.add(BARE, [])]
    folder = inbox(box)
    uidvalidity = box.select(folder, read_only=True).uidvalidity
    assert uidvalidity is not None
    box.enter(folder, uidvalidity)
    with pytest.raises(RefusedError):
        box.uids()  # not yet
    box.enter(folder, uidvalidity)
    sink = Sink()
    assert [meta.uid for meta in box.fetch(uids, sink)] == uids
    assert sink.bodies == {uids[0]: SMALL, uids[1]: BARE}
    assert box.uids() == uids


@pytest.mark.parametrize("error", [SafetyError, RefusedError])
def test_enter_of_another_folder_or_none_fails_the_fetch(error: type[MailctlError], site: Site, box: Box) -> None:
    uid = site.add(SMALL, [])
    folder = inbox(box)
    uidvalidity = box.select(folder, read_only=True).uidvalidity or 0
    if error is SafetyError:
        box.enter(folder, uidvalidity + 1)
    else:
        box.enter(replace(folder, name="Never", wire=b"Never"), uidvalidity)
    sink = Sink()
    with pytest.raises(error):
        list(box.fetch([uid], sink))
    assert not sink.bodies
    with pytest.raises(NetworkError):
        box.noop()


def visited(box: Box, *visits: Visit) -> tuple[list[Opened | Shown | Arrived | Closed], dict[tuple[str, int], bytes]]:
    """What a visit tells, in order, and the bodies by folder and UID."""
    sinks: list[tuple[str, Sink]] = []

    def make(visit: Visit, octets: int) -> Sink:
        sinks.append((visit.folder.name, Sink()))
        return sinks[-1][1](octets)

    events = list(box.visit(visits, make))
    return events, {(name, uid): body for name, sink in sinks for uid, body in sink.bodies.items()}


def test_visit_brings_all_of_several_folders(site: Site, box: Box) -> None:
    names = [f"f{number}" for number in range(12)]
    for name in names:
        site.make(name)
    uids = [site.add(BODY, ["\\Seen", "Work"]), site.add(SMALL, [])]
    listing = box.survey()
    folders = [next(folder for folder in listing.folders if folder.name == name) for name in ["INBOX", *names, "INBOX"]]
    events, bodies = visited(box, *(Visit(folder, bodies_from=1) for folder in folders))
    assert bodies == {("INBOX", uids[0]): BODY, ("INBOX", uids[1]): SMALL}
    kinds = [type(event).__name__ for event in events]
    whole = ["Opened", "Arrived", "Arrived", "Closed"]
    assert kinds == whole + ["Opened", "Closed"] * len(names) + whole
    assert [event.visit.folder for event in events if isinstance(event, Closed)] == folders
    assert all(event.error is None for event in events if isinstance(event, Closed))
    opened = next(event for event in events if isinstance(event, Opened))
    assert (opened.status.messages, opened.status.uidnext, opened.status.read_only) == (2, uids[1] + 1, True)
    assert (opened.changed, opened.vanished) == ((), ())
    arrived = next(event.meta for event in events if isinstance(event, Arrived))
    assert (arrived.uid, arrived.size) == (uids[0], len(BODY))
    assert arrived.flags - {"\\Recent"} == {"\\Seen", "Work"}
    assert arrived.internaldate
    with pytest.raises(RefusedError):
        box.uids()


def test_visit_tells_what_changed_and_vanished_since(site: Site, box: Box) -> None:
    uids = [site.add(SMALL, []), site.add(BARE, []), site.add(BODY, [])]
    before = box.survey().statuses["INBOX"]
    assert before.uidvalidity is not None
    assert before.highestmodseq is not None
    site.flag(uids[0], ["\\Flagged"])
    site.expunge(uids[1])
    new = site.add(SMALL, [])
    other = site.connect()
    other.survey()
    since = (before.uidvalidity, before.highestmodseq)
    folder = inbox(other)
    events, bodies = visited(other, Visit(folder, since, uids[-1] + 1), Visit(folder, since), Visit(folder))
    opened = [event for event in events if isinstance(event, Opened)]
    assert [event.error for event in events if isinstance(event, Closed)] == [None] * 3
    for event in opened[:2]:
        changed = {meta.uid: meta.flags - {"\\Recent"} for meta in event.changed}
        assert changed == {uids[0]: {"\\Flagged"}, new: frozenset()}
        assert any(low <= uids[1] <= high for low, high in event.vanished)
        assert not any(low <= uid <= high for low, high in event.vanished for uid in (uids[0], uids[2], new))
    assert (opened[2].changed, opened[2].vanished) == ((), ())
    assert bodies == {("INBOX", new): SMALL}
    assert opened[0].status.messages == 3
    after = opened[0].status.highestmodseq
    assert after is not None
    events, bodies = visited(other, Visit(folder, (before.uidvalidity, after), new + 1))
    assert isinstance(events[0], Opened)
    assert (events[0].changed, bodies) == ((), {})
    other.close()


def test_visit_shows_messages_without_their_bodies_and_whether_the_folder_takes_any(site: Site, box: Box) -> None:
    site.make("empty")
    uids = [site.add(BODY, ["\\Seen", "Work"]), site.add(SMALL, []), site.add(BARE, [])]
    listing = box.survey()
    empty = next(folder for folder in listing.folders if folder.name == "empty")
    folder = inbox(box)
    visits = [
        Visit(folder, rows_from=1, read_only=False),
        Visit(empty, rows_from=1),
        Visit(folder, rows_from=uids[1]),
        Visit(folder, bodies_from=uids[2]),
        Visit(folder, rows_from=uids[2] + 1),
    ]
    events, bodies = visited(box, *visits)
    shown = [[event.meta for event in events if isinstance(event, Shown) and event.visit is visit] for visit in visits]
    assert [[meta.uid for meta in metas] for metas in shown] == [uids, [], uids[1:], [], []]
    assert [meta.size for meta in shown[0]] == [len(BODY), len(SMALL), len(BARE)]
    assert shown[0][0].flags - {"\\Recent"} == {"\\Seen", "Work"}
    assert all(meta.internaldate for meta in shown[0])
    assert bodies == {("INBOX", uids[2]): BARE}
    statuses = [event.status for event in events if isinstance(event, Opened)]
    assert [status.read_only for status in statuses] == [False, True, True, True, True]
    assert [event.error for event in events if isinstance(event, Closed)] == [None] * 5


def test_visit_with_another_uidvalidity_tells_it_in_the_status(site: Site, box: Box) -> None:
    uid = site.add(SMALL, [])
    before = box.survey().statuses["INBOX"]
    assert before.uidvalidity is not None
    events, bodies = visited(box, Visit(inbox(box), (before.uidvalidity + 1, 1), uid + 1))
    assert isinstance(events[0], Opened)
    assert events[0].status.uidvalidity == before.uidvalidity
    assert (events[0].changed, events[0].vanished, bodies) == ((), (), {})


def test_a_folder_that_is_refused_is_closed_and_the_others_go_on(site: Site, box: Box) -> None:
    uid = site.add(SMALL, [])
    box.survey()
    gone = Folder("gone", b"gone", "/")
    events, bodies = visited(
        box,
        Visit(gone, bodies_from=1),
        Visit(inbox(box), bodies_from=1),
        Visit(gone, bodies_from=1),
        Visit(gone),
        Visit(inbox(box), bodies_from=1),
    )
    kinds = [(type(event).__name__, event.visit.folder.name) for event in events]
    whole = [("Opened", "INBOX"), ("Arrived", "INBOX"), ("Closed", "INBOX")]
    assert kinds == [("Closed", "gone"), *whole, ("Closed", "gone"), ("Closed", "gone"), *whole]
    for event in events:
        if isinstance(event, Closed):
            assert isinstance(event.error, RefusedError) is (event.visit.folder is gone)
    assert bodies == {("INBOX", uid): SMALL}
    assert box.folders().folders


def test_an_error_of_a_sink_comes_out_of_a_visit_as_it_is(site: Site, box: Box) -> None:
    site.add(BODY, [])
    sink = Sink(fail_at=1000)
    with pytest.raises(StorageError, match="the disk is full"):
        list(box.visit([Visit(inbox(box), bodies_from=1)] * 2, lambda visit, octets: sink(octets)))
    assert sink.abandoned == 1
    with pytest.raises(NetworkError):
        box.folders()

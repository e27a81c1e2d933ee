"""What sync relies on in an `ImapMailbox`: the double in memory and the real adapter on Dovecot pass the same tests."""

import pytest

from mailctl.domain.mailbox import Folder
from mailctl.errors import MailctlError, NetworkError, RefusedError, StorageError
from tests.servers.support.contract import BARE, BODY, SMALL, Box, Sink, Site, inbox


def test_select_tells_the_folders_state(site: Site, box: Box) -> None:
    uid = site.add(SMALL, [])
    status = box.select(inbox(box), read_only=True)
    assert status.messages == 1
    assert status.uidvalidity
    assert status.uidnext == uid + 1
    assert status.read_only
    assert not box.select(inbox(box), read_only=False).read_only


def test_no_such_folder_is_refused_and_the_connection_lives(box: Box) -> None:
    with pytest.raises(RefusedError):
        box.select(Folder("nothing", b"nothing", "/"), read_only=True)
    assert box.select(inbox(box), read_only=True).messages == 0


def test_scan_tells_flags_size_and_date(site: Site, box: Box) -> None:
    uids = [site.add(BODY, ["\\Seen", "Work"]), site.add(SMALL, [])]
    box.select(inbox(box), read_only=True)
    assert box.uids() == uids
    found = {meta.uid: meta for meta in box.scan()}
    assert found[uids[0]].flags - {"\\Recent"} == {"\\Seen", "Work"}
    assert [found[uid].size for uid in uids] == [len(BODY), len(SMALL)]
    assert all(found[uid].internaldate for uid in uids)
    assert [meta.uid for meta in box.scan([uids[1]])] == [uids[1]]


def test_scan_of_what_changed(site: Site, box: Box) -> None:
    uids = [site.add(SMALL, []), site.add(BARE, [])]
    before = box.select(inbox(box), read_only=True).highestmodseq
    assert before
    site.flag(uids[0], ["\\Flagged"])
    other = site.connect()
    after = other.select(inbox(other), read_only=True).highestmodseq
    assert after is not None
    assert after > before
    assert [meta.uid for meta in other.scan(changed_since=before)] == [uids[0]]
    other.close()


def test_fetch_gives_bodies_flags_and_dates_and_marks_nothing(site: Site, box: Box) -> None:
    uids = [site.add(BODY, ["Work"]), site.add(SMALL, [])]
    box.select(inbox(box), read_only=False)
    sink = Sink()
    metas = list(box.fetch(uids, sink))
    assert sink.bodies == {uids[0]: BODY, uids[1]: SMALL}
    assert [meta.uid for meta in metas] == uids
    assert metas[0].flags - {"\\Recent"} == {"Work"}
    assert metas[0].internaldate is not None
    assert all("\\Seen" not in meta.flags for meta in box.scan())


def test_fetch_passes_over_what_is_gone(site: Site, box: Box) -> None:
    uids = [site.add(SMALL, []), site.add(BARE, [])]
    box.select(inbox(box), read_only=True)
    site.expunge(uids[0])
    box.select(inbox(box), read_only=True)
    sink = Sink()
    assert [meta.uid for meta in box.fetch(uids, sink)] == [uids[1]]


def test_an_error_of_a_sink_comes_out_as_it_is(site: Site, box: Box) -> None:
    uid = site.add(BODY, [])
    box.select(inbox(box), read_only=True)
    sink = Sink(fail_at=1000)
    with pytest.raises(StorageError, match="the disk is full"):
        list(box.fetch([uid], sink))
    assert sink.abandoned == 1
    with pytest.raises(MailctlError) as dead:
        box.uids()
    assert isinstance(dead.value, NetworkError)


def test_headers(site: Site, box: Box) -> None:
    uids = [site.add(BODY, []), site.add(SMALL, []), site.add(BARE, [])]
    box.select(inbox(box), read_only=True)
    found = dict(box.headers(uids, ("Message-ID",)))
    assert b"<1@x>" in found[uids[0]]
    assert b"Subject" not in found[uids[0]]
    assert b"<2@x>" in found[uids[1]]
    assert found.get(uids[2], b"").strip() == b""


def test_flags_and_expunge_by_uid(site: Site, box: Box) -> None:
    uids = [site.add(SMALL, []), site.add(BARE, ["\\Deleted"]), site.add(BODY, [])]
    box.select(inbox(box), read_only=False)
    box.add_flags([uids[0], uids[2]], ["\\Seen"])
    box.expunge([uids[0]])
    found = {meta.uid: meta.flags - {"\\Recent"} for meta in box.scan()}
    assert found == {uids[1]: {"\\Deleted"}, uids[2]: {"\\Seen"}}, "what others marked stays"


def test_what_changed_since_is_not_expunged(site: Site, box: Box) -> None:
    uids = [site.add(SMALL, []), site.add(BARE, []), site.add(BODY, [])]
    modseq = box.select(inbox(box), read_only=False).highestmodseq
    site.flag(uids[1], ["\\Flagged"])
    assert box.expunge([*uids, 4_000_000], unchanged_since=modseq) == [uids[1]]
    assert {meta.uid: meta.flags - {"\\Recent"} for meta in box.scan()} == {uids[1]: {"\\Flagged"}}
    modseq = box.select(inbox(box), read_only=False).highestmodseq
    assert box.expunge(uids, unchanged_since=modseq) == []
    assert box.uids() == []


def test_read_only_refuses_changes(site: Site, box: Box) -> None:
    uid = site.add(SMALL, [])
    box.select(inbox(box), read_only=True)
    with pytest.raises(RefusedError):
        box.add_flags([uid], ["\\Seen"])
    with pytest.raises(RefusedError):
        box.expunge([uid])
    assert [meta.flags - {"\\Recent"} for meta in box.scan()] == [frozenset()]


def test_uids_since_a_day(site: Site, box: Box) -> None:
    uid = site.add(SMALL, [])
    box.select(inbox(box), read_only=True)
    assert box.uids(since="2000-01-01") == [uid]
    assert box.uids(since="2100-01-01") == []

"""The plan of a mirrored folder: for any two sides and memory, nothing that changed is deleted, both end alike."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mailctl.domain.mailbox import MessageMeta
from mailctl.sync.mirror.plan import MirrorPlan, Rules, Sides, Store, changed_here, merge, plan_both, plan_messages
from mailctl.sync.state import Agreed

KEYWORDS = frozenset({"Work", "Home"})
ALL = Rules(readable=KEYWORDS)
FLAGS = st.frozensets(st.sampled_from(["\\Seen", "\\Flagged", "\\Deleted", "Work", "Home"]))
UIDS = st.integers(1, 6)


@st.composite
def sides(draw: st.DrawFn) -> Sides:
    server = {uid: MessageMeta(uid, flags, 10, 5.0) for uid, flags in draw(st.dictionaries(UIDS, FLAGS)).items()}
    agreed = {uid: Agreed(flags, 10, 5) for uid, flags in draw(st.dictionaries(UIDS, FLAGS)).items()}
    return Sides(server, draw(st.dictionaries(UIDS, FLAGS)), agreed, uidnext=7)


@st.composite
def rules(draw: st.DrawFn) -> Rules:
    permanent = draw(st.sampled_from([None, frozenset({"\\Seen", "\\*"}), frozenset({"\\Seen", "\\Flagged", "Work"})]))
    return Rules(
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.booleans()),
        permanent,
        draw(st.sampled_from([KEYWORDS, frozenset()])),
    )


def applied(before: Sides, plan: MirrorPlan, by: Rules) -> Sides:
    """Both sides and the memory after all steps; what is uploaded anew gets a new UID."""
    server, local, agreed = dict(before.server), dict(before.local), dict(before.agreed)
    uidnext = before.uidnext or 0
    for uid, store in plan.store.items():
        assert not store.add & store.remove
        server[uid] = replace(server[uid], flags=(server[uid].flags | store.add) - store.remove)
    local.update(plan.set_flags)
    agreed.update(plan.agree)
    for uid in plan.fetch:
        local[uid] = server[uid].flags
        agreed[uid] = Agreed(server[uid].flags, 10, 5)
    for uid in plan.again:
        flags = local.pop(uid)
        agreed.pop(uid, None)
        server[uidnext] = MessageMeta(uidnext, by.storable(flags), 10, 5.0)
        local[uidnext], agreed[uidnext] = flags, Agreed(by.storable(flags), 10, 5)
        uidnext += 1
    for uid in plan.delete_there:
        del server[uid], agreed[uid]
    for uid in plan.delete_here:
        del local[uid]
        agreed.pop(uid, None)
    for uid in plan.forget:
        del agreed[uid]
    return Sides(server, local, agreed, uidnext=uidnext)


@given(sides(), rules())
def test_nothing_that_changed_is_deleted(before: Sides, by: Rules) -> None:
    plan = plan_messages(before, by)
    for uid in plan.delete_there:
        assert before.server[uid].flags - before.agreed[uid].flags <= {"\\Deleted"}
        assert before.agreed[uid].flags <= before.server[uid].flags
        assert by.known
        assert by.writable
        assert not by.backwards
    for uid in plan.delete_here:
        assert uid not in before.server
        assert by.known
        assert not by.backwards
        if uid in before.agreed:
            assert not changed_here(before.local[uid], before.agreed[uid].flags, by)


@given(sides(), rules())
def test_applied_twice_is_applied_once(before: Sides, by: Rules) -> None:
    plan = plan_messages(before, by)
    after = applied(before, plan, by)
    again = plan_messages(after, replace(by, known=True) if by.writable else by)
    again.conflicts, again.ahead = [], []
    assert not again.store
    assert not again.fetch or plan.ahead or not by.writable
    assert not again.again
    assert not again.delete_there or not by.known
    assert not again.delete_here or not by.known
    assert {uid: flags for uid, flags in again.set_flags.items() if flags != after.local[uid]} == {}


@given(sides(), rules())
def test_both_sides_end_alike(before: Sides, by: Rules) -> None:
    after = applied(before, plan_messages(before, by), by)
    if not by.writable or by.backwards:
        assert before.server.keys() == after.server.keys()
        return
    assert after.server.keys() == after.local.keys() == after.agreed.keys()
    for uid, meta in after.server.items():
        assert by.storable(after.local[uid]) <= meta.flags, "what the server can keep, it has"
        assert by.legible(by.storable(meta.flags)) <= after.local[uid], "what can be shown here, is"
        assert meta.flags == after.agreed[uid].flags


@given(sides(), rules())
def test_no_message_is_lost_that_one_side_did_not_delete(before: Sides, by: Rules) -> None:
    after = applied(before, plan_messages(before, by), by)
    for uid in before.server.keys() | before.local.keys():
        if uid in before.server and uid in before.local:
            assert uid in after.server
            assert uid in after.local
        elif uid in before.server and uid not in before.agreed:
            assert uid in after.local
    kept = len(after.server)
    lost = {uid for uid in before.agreed if (uid in before.server) != (uid in before.local)}
    lost |= {uid for uid in before.local if uid not in before.server and uid not in before.agreed}
    assert kept >= len(before.server.keys() | before.local.keys()) - len(lost) or not by.writable or by.backwards


@given(FLAGS, FLAGS, FLAGS)
def test_a_flag_follows_whoever_changed_it(there: frozenset[str], here: frozenset[str], agreed: frozenset[str]) -> None:
    wanted, store = merge(there, here, agreed, ALL)
    for flag in there | here | agreed:
        both = {flag in there, flag in here}
        expected = both.pop() if len(both) == 1 else (flag not in agreed)
        assert (flag in wanted) == expected
        assert (flag in (there | store.add) - store.remove) == expected


@given(FLAGS, rules())
def test_what_both_sides_have_as_it_was_agreed_needs_no_plan(flags: frozenset[str], by: Rules) -> None:
    plan = MirrorPlan()
    plan_both(plan, by, MessageMeta(1, flags, 10, 5.0), flags, Agreed(flags, 10, 5))
    assert plan == MirrorPlan()


@given(FLAGS, FLAGS)
def test_without_a_memory_flags_are_united(there: frozenset[str], here: frozenset[str]) -> None:
    wanted, store = merge(there, here, None, ALL)
    assert wanted == there | here == there | store.add
    assert not store.remove


def test_a_flag_that_the_server_does_not_keep_stays_here_for_good() -> None:
    by = Rules(permanent=frozenset({"\\Seen"}), readable=KEYWORDS)
    local = {1: frozenset({"Work", "\\Seen"})}
    before = Sides({1: MessageMeta(1, frozenset())}, local, {1: Agreed(frozenset())}, uidnext=2)
    plan = plan_messages(before, by)
    assert plan.store == {1: Store(frozenset({"\\Seen"}))}
    assert plan.set_flags == {}
    after = applied(before, plan, by)
    assert plan_messages(after, by).set_flags == {}
    assert after.local[1] == {"Work", "\\Seen"}


def test_a_keyword_without_a_letter_is_not_taken_for_removed() -> None:
    there = {1: MessageMeta(1, frozenset({"Zebra"}))}
    plan = plan_messages(Sides(there, {1: frozenset()}, {1: Agreed(frozenset({"Zebra"}))}, uidnext=2), ALL)
    assert plan == MirrorPlan()


def test_conflicts_keep_data_and_are_told() -> None:
    old, new = frozenset[str](), frozenset({"\\Flagged"})
    here = plan_messages(Sides({}, {1: new}, {1: Agreed(old)}, uidnext=2), ALL)
    assert (here.again, here.delete_here, len(here.conflicts)) == ([1], [], 1)
    there = plan_messages(Sides({1: MessageMeta(1, new)}, {}, {1: Agreed(old)}, uidnext=2), ALL)
    assert (there.fetch, there.delete_there, len(there.conflicts)) == ([1], [], 1)


def test_H3_nothing_is_deleted_when_numbers_go_backwards() -> None:
    gone = Sides({2: MessageMeta(2)}, {1: frozenset()}, {1: Agreed(frozenset()), 2: Agreed(frozenset())}, uidnext=3)
    plan = plan_messages(gone, replace(ALL, backwards=True))
    assert (plan.delete_here, plan.delete_there, plan.ahead) == ([], [], [1])
    early = plan_messages(Sides({}, {9: frozenset()}, {}, uidnext=3), ALL)
    assert (early.delete_here, early.ahead) == ([], [9])
    unknown = plan_messages(Sides({}, {9: frozenset()}, {}, uidnext=None), ALL)
    assert (unknown.delete_here, unknown.ahead) == ([], [9])


def test_H3_another_message_under_a_known_uid_stops_all_deletion() -> None:
    swapped = MessageMeta(1, size=11, internaldate=9.0)
    agreed = {uid: Agreed(frozenset(), 10, 5) for uid in (1, 2, 3)}
    local = {1: frozenset[str](), 2: frozenset[str]()}
    plan = plan_messages(Sides({1: swapped, 3: MessageMeta(3, size=10)}, local, agreed, uidnext=4), ALL)
    assert (plan.changed, plan.delete_here, plan.delete_there) == ([1], [], [])


def test_on_a_first_run_both_sides_are_united() -> None:
    first = replace(ALL, known=False)
    both = Sides({1: MessageMeta(1)}, {2: frozenset()}, {1: Agreed(frozenset()), 2: Agreed(frozenset())}, uidnext=3)
    plan = plan_messages(both, first)
    assert (plan.fetch, plan.again, plan.delete_here, plan.delete_there) == ([1], [2], [], [])


def test_what_lies_elsewhere_is_left_to_the_strays() -> None:
    agreed = {uid: Agreed(frozenset()) for uid in (1, 2)}
    assert plan_messages(Sides({1: MessageMeta(1)}, {}, agreed, {1, 2}, 3), ALL) == MirrorPlan()


@given(sides())
def test_a_dropped_message_is_nowhere_in_the_plan(before: Sides) -> None:
    plan = plan_messages(before, ALL)
    plan.drop([*plan.fetch, *plan.delete_there])
    assert not plan.fetch
    assert not plan.delete_there

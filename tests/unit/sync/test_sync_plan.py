"""The pure decisions of sync: plans, brakes, matching again, which folders."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mailctl.domain.mailbox import Folder, MessageMeta
from mailctl.sync.archive.plan import SEEN, FolderPlan, Policy, View, brakes, plan_folder, remember
from mailctl.sync.choose import choose, matches
from mailctl.sync.local.names import uidl_token
from mailctl.sync.pop3.plan import Maildrop, PopPolicy, Verdict, doubtful, plan_maildrop
from mailctl.sync.rematch import Likeness, message_id, rematch
from mailctl.sync.state import Agreed

UIDS = st.sets(st.integers(1, 12))
FLAGS = st.frozensets(st.sampled_from([SEEN, "\\Flagged", "Work"]))


@st.composite
def views(draw: st.DrawFn) -> View:
    server = {uid: MessageMeta(uid, draw(FLAGS), uid * 10, float(uid)) for uid in draw(UIDS)}
    local = {uid: draw(FLAGS) for uid in draw(UIDS)}
    agreed = {uid: Agreed(draw(FLAGS), uid * 10, uid) for uid in draw(UIDS)}
    return View(server, local, frozenset(draw(UIDS) - local.keys()), agreed, draw(st.none() | UIDS))


POLICIES = st.builds(
    Policy,
    mark_seen=st.booleans(),
    keep_on_server=st.booleans(),
    due=st.frozensets(st.integers(1, 12), max_size=3),
    propagate_deletes=st.booleans(),
    max_size=st.none() | st.integers(0, 130),
    budget=st.none() | st.integers(0, 5),
)


def apply(view: View, plan: FolderPlan) -> View:
    """What both sides and the state are once a plan was carried out."""
    server = dict(view.server)
    agreed = {uid: known for uid, known in view.agreed.items() if uid not in plan.forget} | plan.agree
    local = dict(view.local)
    for uid in plan.fetch:
        local[uid] = server[uid].flags
        agreed[uid] = remember(server[uid])
    local |= plan.set_flags
    for uid in plan.mark_seen:
        server[uid] = replace(server[uid], flags=server[uid].flags | {SEEN})
        agreed[uid] = replace(agreed[uid], flags=agreed[uid].flags | {SEEN})
    for uid in (*plan.remove, *plan.verify, *plan.delete):
        del server[uid]
        agreed.pop(uid, None)
    return replace(view, server=server, local=local, agreed=agreed)


@given(views(), POLICIES)
def test_a_plan_carried_out_leaves_nothing_but_what_is_left_out(view: View, policy: Policy) -> None:
    first = plan_folder(view, replace(policy, budget=None))
    then = apply(view, first)
    if (
        policy.mark_seen or policy.due or not policy.keep_on_server
    ):  # what was fetched is marked and removed in the same run
        then = apply(then, plan_folder(then, replace(policy, budget=None)))
    second = plan_folder(then, replace(policy, budget=None))
    assert (second.fetch, second.set_flags, second.mark_seen, second.remove, second.delete) == ([], {}, [], [], [])
    assert (second.too_large, second.too_old) == (first.too_large, first.too_old)


@given(views(), POLICIES)
def test_archive_mode_loses_nothing(view: View, policy: Policy) -> None:
    plan = plan_folder(view, policy)
    here = view.local.keys() | view.elsewhere
    assert set(plan.remove) | set(plan.verify) <= here, "only what is here goes from the server"
    assert set(plan.delete) <= view.agreed.keys() - here, "only what was here is deleted"
    assert not plan.delete or policy.propagate_deletes
    assert not policy.keep_on_server or set(plan.remove) | set(plan.verify) <= policy.due
    assert not set(plan.fetch) & (here | view.agreed.keys())
    taken = {*plan.fetch, *plan.too_large, *here, *view.agreed}
    assert len(view.server.keys() - taken) == plan.too_old + plan.over_budget, "nothing is left out in silence"
    assert plan.fetch == sorted(plan.fetch)
    if policy.budget is not None:
        assert len(plan.fetch) <= policy.budget


@given(views())
def test_without_policies_the_server_is_left_alone(view: View) -> None:
    plan = plan_folder(view, Policy())
    assert (plan.mark_seen, plan.remove, plan.verify, plan.delete) == ([], [], [], [])


def test_brakes() -> None:
    assert not brakes(25, 25)
    assert brakes(26, 100)
    assert not brakes(26, 1000)
    assert brakes(201, 1000)


def test_a_message_id_is_found_in_a_header() -> None:
    assert message_id(b"Subject: x\r\nMESSAGE-ID: \r\n <a@b>\r\n\r\nMessage-ID: <c@d>\r\n") == "<a@b>"
    assert message_id(b"Message-Id: <a@b>\nX: y\n\n") == "<a@b>"
    assert message_id(b"Message-ID: <a@b>\r\nMessage-ID: <c@d>\r\n\r\n") == ""
    assert message_id(b"\r\nMessage-ID: <a@b>\r\n") == ""
    assert message_id(b"") == ""


def test_rematch_by_two_of_three() -> None:
    local = [("a", Likeness("<1>", 10, 100)), ("b", Likeness("<2>", 20, 200)), ("c", Likeness("<3>", 30, 300))]
    local += [("d", Likeness("", 40, 400)), ("e", Likeness("<5>", 50, 500))]
    server = [(1, Likeness("<1>", 10, 100)), (2, Likeness("<2>", 20, 999)), (3, Likeness("<3>", 999, 300))]
    server += [(4, Likeness("", 40, 400)), (5, Likeness("<5>", 51, 501)), (6, Likeness("<6>", 50, 500))]
    assert rematch(server, local) == {1: "a", 2: "b", 3: "c", 4: "d"}


def test_rematch_pairs_copies_and_leaves_doubt() -> None:
    same = Likeness("<1>", 10, 100)
    assert rematch([(1, same), (2, same), (3, same)], [("a", same), ("b", same)]) == {1: "a", 2: "b"}
    assert rematch([(1, same)], [("a", same), ("b", same)]) == {1: "a"}
    none = Likeness("", 10, 100)
    assert rematch([(1, none), (2, none)], [("a", none)]) == {}
    assert rematch([(1, Likeness("<1>", 10, 1)), (2, Likeness("<1>", 10, 2))], [("a", Likeness("<1>", 10, 3))]) == {}


def folder(name: str, *attributes: str) -> Folder:
    return Folder(name, name.encode(), "/", frozenset(attributes))


def test_globs() -> None:
    assert matches("[Gmail]/All Mail", "[Gmail]/*")
    assert not matches("G/All Mail", "[Gmail]/*")
    assert matches("INBOX", "inbox")
    assert not matches("Sent", "sent")
    assert matches("a", "?")
    assert matches("a[b]\nc", "?[b]*")
    assert not matches("a" * 100_000, "*a*a*a*b")  # a backtracking search would not come to an end
    names = [folder("b"), folder("INBOX"), folder("a", "\\noselect"), folder("Spam/x"), folder("Spam")]
    assert [f.name for f in choose(names, ("*",), frozenset()).chosen] == ["INBOX", "Spam", "Spam/x", "b"]
    assert [f.name for f in choose(names, ("!Spam*",), frozenset()).chosen] == ["INBOX", "b"]
    assert [f.name for f in choose(names, ("*", "!Spam*", "Spam/x"), frozenset()).chosen] == ["INBOX", "Spam/x", "b"]


DROPS = st.lists(st.tuples(st.sampled_from("abcdE"), st.integers(1, 3)), max_size=6)


@given(
    DROPS,
    st.sets(st.sampled_from("abcd")),
    st.dictionaries(st.sampled_from("abcdE"), st.integers(1, 3)),
    POLICIES,
    st.dictionaries(st.sampled_from("abcdE"), st.integers(0, 2)),
    st.lists(st.sampled_from(Verdict), min_size=6, max_size=6),
)
def test_pop3_plans_lose_nothing(
    drop: list[tuple[str, int]],
    here: set[str],
    known: dict[str, int],
    policy: Policy,
    since: dict[str, int],
    verdicts: list[Verdict],
) -> None:
    shown = [(number, uidl, octets) for number, (uidl, octets) in enumerate(drop, 1)]
    tokens = {uidl_token(uidl) for uidl in here}
    wanted = PopPolicy(
        policy.keep_on_server, policy.propagate_deletes, policy.max_size, policy.budget, due=1 if policy.due else None
    )
    given_verdicts = dict(enumerate(verdicts, 1))
    state = Maildrop(shown, tokens, known, since)
    plan = plan_maildrop(state, wanted, given_verdicts)
    doubted = {number for number, _, _ in doubtful(state)}
    for number, uidl, octets in plan.remove:
        same = known.get(uidl) == octets or (number in doubted and given_verdicts[number] is Verdict.SAME)
        assert (plan.keys[number], uidl in here, same) == (uidl, True, True), "only what is here, and is that message"
        assert not policy.keep_on_server or since[uidl] <= 1
    assert all(uidl not in here and known[uidl] == octets for _, uidl, octets in plan.delete)
    assert all(uidl_token(plan.keys[number]) not in tokens for number, _, _ in plan.fetch), "nothing is overwritten"
    assert all(plan.keys[number] not in known for number, _, _ in plan.fetch)
    left = {*plan.fetch, *plan.too_large, *plan.copies, *plan.changed, *plan.adopt, *plan.remove, *plan.delete}
    silent = {message for message in set(shown) - left if plan.keys[message[0]] not in known}
    assert len(silent) == plan.over_budget, "nothing is left out in silence"
    assert len({plan.keys[number] for number, _, _ in plan.fetch}) == len(plan.fetch)
    assert not plan.changed or not (plan.remove or plan.delete)

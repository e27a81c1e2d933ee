"""The judge of the histories is judged: it sees what is lost, doubled, changed by nobody or not merged."""

from .rules import Epoch, Side, What, archived, by_token, kept, merged, mirrored
from .there import Seen

BOX, WORK = "INBOX", "Work"


def seen(folder: str, *flags: str, token: int = 1) -> Seen:
    return Seen(folder, token, flags, "x")


def judged(
    touches: list[tuple[Side, What]], there: list[Seen], here: list[Seen], after: list[Seen], unclean: int = 0
) -> list[str]:
    """What is said of a message that was agreed in INBOX, without flags."""
    epoch = Epoch(by_token([seen(BOX)]), unclean=unclean)
    for side, what in touches:
        epoch.touch(1, side, what)
    return [text.partition(";")[0] for text in mirrored(epoch, there, here, after, after)]


def test_what_nobody_touched_stays() -> None:
    box = [seen(BOX)]
    assert judged([], box, box, box) == []
    assert judged([], box, box, []) == ["token 1: lost", "token 1: changed by nobody"]
    assert judged([], box, box, [*box, *box])[0] == "token 1: doubled"
    assert judged([], box, box, [seen(BOX, "\\Seen")]) == ["token 1: changed by nobody"]


def test_the_side_that_touched_it_is_followed() -> None:
    box, work = [seen(BOX)], [seen(WORK)]
    moved = [(Side.HERE, What.MOVED)]
    assert judged(moved, box, work, work) == []
    assert judged(moved, box, work, box)
    assert judged(moved, box, work, [*box, *work])
    deleted = [(Side.THERE, What.DELETED)]
    assert judged(deleted, [], box, []) == []
    assert judged(deleted, [], box, box)
    flagged = [(Side.HERE, What.FLAGGED)]
    assert judged(flagged, box, [seen(BOX, "\\Seen")], [seen(BOX, "\\Seen")]) == []
    assert judged(flagged, box, [seen(BOX, "\\Seen")], box)


def test_both_sides() -> None:
    box, work, read = [seen(BOX)], [seen(WORK)], [seen(BOX, "\\Seen")]
    conflict = [(Side.THERE, What.DELETED), (Side.HERE, What.FLAGGED)]
    assert judged(conflict, [], read, read) == []
    assert judged(conflict, [], read, []) == ["token 1: deleted there, changed here, and not kept"]
    both = [(Side.THERE, What.MOVED), (Side.HERE, What.FLAGGED)]
    assert judged(both, work, read, [seen(WORK, "\\Seen")]) == []
    assert judged(both, work, read, [*work, *read])
    assert judged(both, work, read, work)
    assert judged(both, work, read, work, unclean=1) == [], "may have been brought over before"
    assert merged(["a"], ["a", "b"], ["c"]) == {"b", "c"}
    assert merged(box[0].flags, [], []) == set()


def test_sides_that_differ() -> None:
    found = mirrored(Epoch(by_token([seen(BOX)])), [seen(BOX)], [seen(BOX)], [seen(BOX)], [seen(WORK)])
    assert found == ["only there: ('INBOX', 1, ())", "only here: ('Work', 1, ())"]


def test_an_archive_keeps() -> None:
    assert kept([seen(BOX)], [seen(WORK)]) == []
    assert kept([seen(BOX), seen(WORK)], [seen(WORK)]) == ["token 1: disappeared here"]
    assert archived(Epoch(), [seen(BOX)], [seen(BOX)], {1: 1}) == []
    assert archived(Epoch(), [seen(BOX)], [], {1: 1})
    assert archived(Epoch(), [seen(BOX)], [seen(BOX), seen(BOX)], {1: 1})
    assert archived(Epoch(), [seen(BOX, "\\Seen")], [seen(BOX)], {1: 1})

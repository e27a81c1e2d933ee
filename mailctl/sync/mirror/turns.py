"""Whether the Maildir is the one that the state remembers, or an older one, brought back from a backup.

What is missing in an older Maildir was not deleted: it had not come yet. So the runs that change something are counted,
in the Maildir and in the state. The Maildir's count goes first: where it is one ahead, a run was cut short. Any other
difference means that one of the two was brought back without the other.
"""

from mailctl.sync.local.root import Root
from mailctl.sync.state import State

_TURN = "turn"


class Turns:
    """Of one gateway. same: whether the Maildir is the one that the state remembers."""

    def __init__(self, root: Root, state: State) -> None:
        self._root, self._state = root, state
        known = state.meta(_TURN)
        self._known = int(known) if known.isdecimal() else 0
        self.same = root.turn in (self._known, self._known + 1)

    def begin(self) -> None:
        """Something is about to change."""
        if self.same and self._root.turn != self._known:  # before it gets two ahead
            self._state.set_meta(_TURN, str(self._root.turn), durable=True)
        self._root.count_turn(max(self._root.turn, self._known) + 1)

    def end(self) -> None:
        """All of it is remembered."""
        if self._root.turn != self._known:
            self._state.set_meta(_TURN, str(self._root.turn))

"""Takes the steps of a history on both sides, and checks after every whole sync: `World`."""

import itertools
import random
import shutil
import ssl
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.servers.support.certificates import Certificates
from tests.servers.support.cutter import Cut, Cutter, How
from tests.servers.syncing import GatewayHome

from .here import Here, letter_of
from .letters import letter
from .lives import Lives
from .rules import Epoch, Messages, Side, What, archived, by_token, kept, mirrored
from .steps import FOLDERS, Kind, Step
from .there import Seen, There

T = TypeVar("T")
_FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Draft")
_KEYWORDS = ("Work", "$Forwarded")
_LOST = (0, 5, 6)  # exit codes of a sync whose connection was cut: mended within the run, network, TLS


@dataclass(frozen=True)
class Port:
    """Where a server's IMAP is, by way of the cutter."""

    imaps: int
    pop3s: int = 1


@dataclass(frozen=True)
class User:
    """One on a server that is empty yet. imaps: a port that is never cut."""

    server: Port
    user: str
    password: str
    address: str
    imaps: int


class World:
    """One history's. folder: an empty one. mode: `archive` or `mirror`.

    plain: no keywords, no names of folders beyond ASCII, and what is moved here gets a new name: what peers can do too.
    """

    def __init__(
        self,
        folder: Path,
        user: User,
        certificates: Certificates,
        cutter: Cutter,
        lives: Lives,
        mode: str,
        *,
        plain: bool = False,
    ) -> None:
        self._plain = plain
        self._flags = _FLAGS if plain else (*_FLAGS, *_KEYWORDS)
        self._names = tuple(name for name in FOLDERS if not plain or (name.isascii() and name.isalnum()))
        trust = ssl.create_default_context(cafile=certificates.ca)
        self.home = GatewayHome(folder, user, certificates, f'mode = "{mode}"')
        self._there = There("localhost", user.imaps, user.user, user.password, trust)
        self._here = Here(self.home)
        self._cutter, self._lives, self._mirror = cutter, lives, mode == "mirror"
        self._epoch = Epoch()
        self._incarnations: Counter[int] = Counter()
        self._tokens = itertools.count(1)
        self.told: list[str] = []

    def close(self) -> None:
        """Sign out and remove everything here."""
        self._there.close()
        shutil.rmtree(self.home.cli.home)

    def live(self, steps: Sequence[Step]) -> None:
        """Take all steps, then sync until nothing is left to do: the last time nothing changes.

        Raises:
            AssertionError: something was lost or doubled, or both sides don't agree.
        """
        for step in steps:
            self.take(step)
        self._whole()
        self._whole()  # brings the folders that Cyrus made above others by itself
        before = self._there.messages(), self._here.messages(), self._folders()
        self._whole()
        assert (self._there.messages(), self._here.messages(), self._folders()) == before, "one more changed things"
        assert self._here.litter() == []
        assert not self._mirror or before[2][0] == before[2][1], f"the folders differ: {before[2]}"

    def there(self) -> Messages:
        """What the server has."""
        return self._there.messages()

    def contested(self) -> set[int]:
        """Tokens that both sides did something to since the last whole sync."""
        return {token for token, touches in self._epoch.touches.items() if len({t.side for t in touches}) == 2}

    # -- steps

    def take(self, step: Step) -> None:
        """One step."""
        one, two, three, four = step.numbers
        match step.kind:
            case Kind.APPEND_THERE:
                token, folder = next(self._tokens), _pick(self._there.folders(), two)
                self._tell(step, f"token {token} into {folder}")
                self._there.append(folder, letter(token, one), _FLAGS[: int(three * 3)])
                self._touched(token, Side.THERE, What.ADDED)
            case Kind.APPEND_HERE if folders := self._here.folders():
                token, folder = next(self._tokens), _pick(folders, two)
                self._tell(step, f"token {token} into {folder}")
                self._here.append(folder, letter(token, one), seen=three < 0.5)
                self._touched(token, Side.HERE, What.ADDED)
            case Kind.FLAG_THERE if messages := self._there.messages():
                message, flag = _pick(messages, one), _pick(self._flags, two)
                self._tell(step, f"{flag} of {message}")
                self._there.flag(message, flag, on=flag not in message.flags)
                self._touched(message.token, Side.THERE, What.FLAGGED)
            case Kind.FLAG_HERE | Kind.READ_HERE if messages := self._here.messages():
                message, flag = _pick(messages, one), _pick(_FLAGS, two)
                self._tell(step, f"{flag} of {message}")
                if step.kind is Kind.READ_HERE:
                    self._here.read(message)
                else:
                    self._here.flag(message, letter_of(flag))
                self._touched(message.token, Side.HERE, What.FLAGGED)
            case Kind.MOVE_THERE | Kind.DELETE_THERE if messages := self._there.messages():
                self._gone_there(step, _pick(messages, one), two)
            case Kind.MOVE_HERE | Kind.DELETE_HERE if messages := self._here.messages():
                self._gone_here(step, _pick(messages, one), two, renamed=self._plain or three < 0.4)
            case Kind.CREATE_THERE | Kind.RENAME_THERE | Kind.REMOVE_THERE:
                self._folder_there(step, one, two)
            case Kind.CREATE_HERE | Kind.RENAME_HERE | Kind.REMOVE_HERE:
                self._folder_here(step, one, two)
            case Kind.SYNC:
                self._tell(step, "")
                self._whole()
            case Kind.KILL:
                self._tell(step, f"after {one * 0.25:.3f} s")
                self._sync(lambda: self._lives.run(["sync", "box"], self.home.cli.env, one * 0.25), (0, -9))
            case Kind.CUT:
                how = _pick(tuple(How), one)
                most = 4000 if how is not How.DOWN else 16_000
                self._tell(step, f"{how} after {int(two * most)} octets, {1 + int(four * 3)} connections")
                self._cutter.set(Cut(how, int(two * most), 1 + int(four * 3)))
                self._sync(lambda: self._run(_LOST), _LOST)
                self._cutter.set(Cut())

    def _gone_there(self, step: Step, message: Seen, number: float) -> None:
        if step.kind is Kind.DELETE_THERE:
            self._tell(step, str(message))
            self._there.delete(message)
            self._touched(message.token, Side.THERE, What.DELETED)
        else:
            folder = _pick([name for name in self._there.folders() if name != message.folder], number)
            self._tell(step, f"{message} to {folder}")
            self._there.move(message, folder)
            self._touched(message.token, Side.THERE, What.MOVED)

    def _gone_here(self, step: Step, message: Seen, number: float, *, renamed: bool) -> None:
        others = [name for name in self._here.folders() if name != message.folder]
        if step.kind is Kind.DELETE_HERE:
            self._tell(step, str(message))
            self._here.delete(message)
            self._touched(message.token, Side.HERE, What.DELETED)
        elif others:
            folder = _pick(others, number)
            self._tell(step, f"{message} to {folder}{' under a new name' if renamed else ''}")
            self._here.move(message, folder, renamed=renamed)
            self._touched(message.token, Side.HERE, What.MOVED)

    def _folder_there(self, step: Step, one: float, two: float) -> None:
        there = self._there.folders()
        made, free = [n for n in there if n in self._names], [n for n in self._names if n not in there]
        if step.kind is Kind.CREATE_THERE and free:
            self._tell(step, _pick(free, one))
            self._there.create(_pick(free, one))
        elif step.kind is Kind.RENAME_THERE and made:
            old = _pick(made, one)
            taken = self._there.names()
            if new := [n for n in free if n not in taken and not n.startswith(f"{old}/")]:
                self._tell(step, f"{old} to {_pick(new, two)}")
                self._below(old, self._there.messages(), Side.THERE, What.MOVED)
                self._there.rename(old, _pick(new, two))
                self._epoch.renamed.append((Side.THERE, old, _pick(new, two)))
        elif step.kind is Kind.REMOVE_THERE and (leaves := _leaves(made, self._there.names())):
            self._tell(step, _pick(leaves, one))
            self._below(_pick(leaves, one), self._there.messages(), Side.THERE, What.SWEPT)
            self._there.remove(_pick(leaves, one))

    def _folder_here(self, step: Step, one: float, two: float) -> None:
        here = self._here.folders()
        made, free = [n for n in here if n in self._names], [n for n in self._names if n not in here]
        if step.kind is Kind.CREATE_HERE and free:
            self._tell(step, _pick(free, one))
            self._here.create(_pick(free, one))
        elif step.kind is Kind.RENAME_HERE and made:
            old = _pick(made, one)
            new = [n for n in free if not n.startswith(f"{old}/") and not self.home.mail.joinpath(n).exists()]
            if new:
                self._tell(step, f"{old} to {_pick(new, two)}")
                self._below(old, self._here.messages(), Side.HERE, What.MOVED)
                self._here.rename(old, _pick(new, two))
                self._epoch.renamed.append((Side.HERE, old, _pick(new, two)))
        elif step.kind is Kind.REMOVE_HERE and (leaves := _leaves(made, made)):
            self._tell(step, _pick(leaves, one))
            self._below(_pick(leaves, one), self._here.messages(), Side.HERE, What.SWEPT)
            self._here.remove(_pick(leaves, one))

    def _below(self, folder: str, messages: Messages, side: Side, what: What) -> None:
        for message in messages:
            if message.folder == folder or message.folder.startswith(f"{folder}/"):
                self._touched(message.token, side, what)

    def _touched(self, token: int, side: Side, what: What) -> None:
        self._epoch.touch(token, side, what)
        if side is Side.THERE and what in (What.ADDED, What.MOVED):
            self._incarnations[token] += 1

    def _tell(self, step: Step, what: str) -> None:
        self.told.append(f"{step.kind}: {what}")

    # -- syncs

    def _whole(self) -> None:
        self._sync(lambda: self._run((0,)), (0,))

    def _run(self, codes: Sequence[int]) -> int:
        done = self.home.cli.run("sync", "box", "--json")
        if done.code not in codes:
            self.told.append(f"{done.out}\n{done.err}")
        return done.code

    def _sync(self, run: Callable[[], int], codes: Sequence[int]) -> None:
        there, here = self._there.messages(), self._here.messages()
        code = run()
        self.told[-1] += f" (ended with {code})" if code else ""
        assert code in codes, f"ended with {code}"
        after_there, after_here = self._there.messages(), self._here.messages()
        if not self._mirror:
            self._judge(kept(here, after_here))
            assert after_there == there, "an archive changes nothing on the server"
        if code:
            self._epoch.unclean += 1
            return
        if self._mirror:
            self._judge(mirrored(self._epoch, there, here, after_there, after_here))
            one, other = (set(names) for names in self._folders())
            differ = {name for name in one ^ other if name in other or not any(o.startswith(f"{name}/") for o in one)}
            assert not differ, f"on one side only: {differ}; there {sorted(one)}, here {sorted(other)}"
            self._epoch = Epoch(by_token(after_there))
        else:
            self._judge(archived(self._epoch, after_there, after_here, self._incarnations))

    def _folders(self) -> tuple[list[str], list[str]]:
        return self._there.folders(), self._here.folders()

    def _judge(self, wrong: Sequence[str]) -> None:
        assert not wrong, "\n".join(wrong)


def _leaves(folders: Sequence[str], names: Collection[str]) -> list[str]:
    """Those with none of the `names` below them: some servers remove no others."""
    return [name for name in folders if not any(other.startswith(f"{name}/") for other in names)]


def _pick(choices: Sequence[T], number: float) -> T:
    return choices[min(int(number * len(choices)), len(choices) - 1)]


def shrunk(steps: Sequence[Step], fails: Callable[[Sequence[Step]], bool], attempts: int = 200) -> Sequence[Step]:
    """The history without what it fails without, as far as so many attempts get."""
    left, size = list(steps), max(1, len(steps) // 2)
    made = random.Random(1)
    while size and attempts:
        starts = list(range(0, len(left), size))
        made.shuffle(starts)
        for start in starts:
            attempts -= 1
            fewer = left[:start] + left[start + size :]
            if attempts > 0 and fails(fewer):
                left = fewer
                break
        else:
            size //= 2
    return left

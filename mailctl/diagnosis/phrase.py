"""Phrases: words to be found in a text, with what may stand between them and what may stand for them."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence

GAP = 100
"""Characters that a ` * ` stands for at most."""
_BEGINNING = 4
"""Letters of an anchor by which it is looked up."""
_OFTEN = 6
"""Texts from which on it is worth preparing to look anchors up; a line is compared at once."""
_GROUP = re.compile(r"\(([^()|]*\|[^()]*)\)")
_STAR = re.compile(r"(?<=\*)(?=.)")


class Phrase:
    """Whole words in order. The phrase and the text are in the form that `signals.words` gives.

    `a * b`: a, anything short (`GAP`), b. `block*`: a word that begins so; `*list`: one that ends so.
    `no such (user|mailbox)`: one of them; `(very |)full`: with or without.
    """

    __slots__ = ("_pieces",)

    def __init__(self, source: str) -> None:
        """Raises ValueError if there is no word in `source`."""
        self._pieces = [_Piece(piece) for part in source.split(" * ") if (piece := part.strip())]
        if self.length < 1:
            raise ValueError("a pattern needs words")

    @property
    def length(self) -> int:
        """Letters that a text must at least have to hold it."""
        return sum(piece.length for piece in self._pieces)

    def anchors(self) -> list[str]:
        """Texts of which one stands wherever the phrase does: of the segments, the choice that says most."""
        segments = [segment for piece in self._pieces for segment in piece.segments]
        best = max(segments, key=lambda segment: (min(len(each.strip("* ")) for each in segment), -len(segment)))
        return [each.strip("* ") for each in best]

    def found_in(self, text: str) -> bool:
        """Whether `text` holds the phrase."""
        ends: list[int] | None = None
        for piece in self._pieces:
            ends = sorted({end for start, end in piece.spans(text) if ends is None or _follows(start, ends)})
            if not ends:
                return False
        return True


class Phrases:
    """Phrases of which any may be found. One is taken apart only if an anchor of it stands in the text: few do."""

    __slots__ = ("prepared",)

    def __init__(self, prepared: Sequence[Sequence[str]] = ()) -> None:
        """prepared: as `prepare` makes each."""
        self.prepared = prepared

    def __bool__(self) -> bool:
        return bool(self.prepared)

    def longest_in(self, text: str) -> int:
        """The length of the longest phrase that `text` holds; 0: none."""
        longest = 0
        for source, *anchors in self.prepared:
            for anchor in anchors:
                if anchor in text:
                    phrase = Phrase(source)
                    if phrase.length > longest and phrase.found_in(text):
                        longest = phrase.length
                    break
        return longest


NO_PHRASES = Phrases()


class Anchors:
    """Which of many things may stand in a text, by the anchors of their phrases: found in one walk through the text.

    A line of a log is compared with a thousand failures; one by one, that is most of what reading a log takes.
    """

    __slots__ = ("_always", "_asked", "_by_beginning", "_phrases")

    def __init__(self, phrases: Sequence[Phrases]) -> None:
        """phrases: of each thing; one without any may stand everywhere."""
        self._phrases = phrases
        self._asked = 0
        self._always: list[int] = []
        self._by_beginning: dict[str, list[tuple[str, int]]] = {}

    def in_text(self, text: str) -> Sequence[int]:
        """The numbers of those that may stand in `text`, in their order. All others don't."""
        self._asked += 1
        if self._asked < _OFTEN:
            return range(len(self._phrases))
        if self._asked == _OFTEN:
            self._look_up()
        found = set(self._always)
        for beginning in {text[at : at + _BEGINNING] for at in range(len(text))} & self._by_beginning.keys():
            found.update(number for anchor, number in self._by_beginning[beginning] if anchor in text)
        return sorted(found)

    def _look_up(self) -> None:
        for number, each in enumerate(self._phrases):
            anchors = {anchor for _, *anchors in each.prepared for anchor in anchors}
            if not anchors or min(map(len, anchors)) < _BEGINNING:
                self._always.append(number)
                continue
            for anchor in anchors:
                self._by_beginning.setdefault(anchor[:_BEGINNING], []).append((anchor, number))


def prepare(source: str) -> list[str]:
    """A phrase and its anchors. Raises ValueError if there is no word in it."""
    return [source, *Phrase(source).anchors()]


class _Piece:
    """What of a phrase stands together: segments, each a choice of texts; a star at the end: the word goes on."""

    __slots__ = ("_inside", "segments")

    def __init__(self, source: str) -> None:
        self._inside = source.startswith("*")
        segments: list[Sequence[str]] = []
        for number, part in enumerate(_GROUP.split(source.lstrip("*"))):
            segments += [part.split("|")] if number % 2 else [[each] for each in _STAR.split(part) if each]
        while len(segments) > 1 and "" in segments[0]:  # a search needs something to begin with
            segments[:2] = [[first + second for first in segments[0] for second in segments[1]]]
        self.segments = segments

    @property
    def length(self) -> int:
        return sum(min(len(choice.rstrip("*")) for choice in segment) for segment in self.segments)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where it begins and ends in `text`."""
        for choice in self.segments[0]:
            word = choice.rstrip("*")
            at = text.find(word)
            while at >= 0:
                if self._inside or not _within(text, at):
                    for end in self._ends(text, at, 0, choice):
                        yield at, end
                at = text.find(word, at + 1)

    def _ends(self, text: str, at: int, number: int, *choices: str) -> Iterator[int]:
        """Where the segments from `number` on end, if they stand at `at`."""
        for choice in choices or self.segments[number]:
            word = choice.rstrip("*")
            if not text.startswith(word, at):
                continue
            end = at + len(word)
            while word != choice and end < len(text) and text[end].isalnum():
                end += 1
            if number + 1 < len(self.segments):
                yield from self._ends(text, end, number + 1)
            elif not _within(text, end):
                yield end


def _within(text: str, at: int) -> bool:
    """Whether `at` lies inside a word."""
    return 0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum()


def _follows(start: int, ends: Sequence[int]) -> bool:
    """Whether one of `ends`, in order, lies at most `GAP` before `start`."""
    at = bisect_left(ends, start - GAP)
    return at < len(ends) and ends[at] <= start

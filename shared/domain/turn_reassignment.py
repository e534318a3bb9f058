"""Moves turns to the new speakers of reassigned utterances."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from shared.domain.speech import SpeakerTurn, Utterance


def reassign_turns(
    turns: Sequence[SpeakerTurn], before: Sequence[Utterance | SpeakerTurn], after: Sequence[Utterance | SpeakerTurn]
) -> tuple[SpeakerTurn, ...]:
    """The old speaker's turns within a reassigned utterance become turns of the new speaker, without confidence."""
    moves: dict[str, list[SpeakerTurn]] = {}
    for old, new in zip(before, after, strict=True):
        if old.speaker != new.speaker:
            moves.setdefault(old.speaker, []).append(SpeakerTurn(start=old.start, end=old.end, speaker=new.speaker))
    sorted_moves = {speaker: _Moves(own) for speaker, own in moves.items()}
    found = (
        part
        for turn in turns
        for part in (sorted_moves[turn.speaker].split(turn) if turn.speaker in sorted_moves else [turn])
    )
    return tuple(sorted(found, key=lambda turn: turn.start))


class _Moves:
    """The reassigned spans of one speaker, sorted so that those within a turn are found without a search of all."""

    def __init__(self, moves: Sequence[SpeakerTurn]) -> None:
        self._moves = sorted(moves, key=lambda move: move.start)
        self._starts = [move.start for move in self._moves]
        self._ends = list(accumulate((move.end for move in self._moves), max))

    def split(self, turn: SpeakerTurn) -> Iterator[SpeakerTurn]:
        first, last = bisect_right(self._ends, turn.start), bisect_left(self._starts, turn.end)
        edge = turn.start
        for move in self._moves[first:last]:
            start, end = max(edge, move.start), min(move.end, turn.end)
            if end <= start:
                continue
            if start > edge:
                yield turn.model_copy(update={"start": edge, "end": start})
            yield SpeakerTurn(start=start, end=end, speaker=move.speaker)
            edge = end
        if edge < turn.end or edge == turn.start:
            yield turn.model_copy(update={"start": edge})

"""Splits an utterance at a word, and joins two utterances; words keep their times."""

from __future__ import annotations

from shared.domain.speech import Utterance
from shared.domain.word_alignment import word_positions


def split_utterance(utterance: Utterance, position: int, index: int) -> tuple[Utterance, Utterance]:
    """The parts before and from this word; the second gets this index. Both keep the reading of the whole."""
    words, text = utterance.words, utterance.text
    if not 0 < position < len(words):
        raise ValueError("an utterance is split between two of its words")
    places = word_positions(text, words)
    if places is None:
        parts = [" ".join(word.text for word in part) for part in (words[:position], words[position:])]
    else:
        parts = [text[: places[position]].strip(), text[places[position] :].strip()]
    before, after = words[:position], words[position:]
    end = max(utterance.start, *(word.end for word in before))
    start = max(utterance.start, min(word.start for word in after))
    return (
        utterance.model_copy(update={"end": end, "text": parts[0], "words": before}),
        utterance.model_copy(
            update={
                "index": index,
                "start": start,
                "end": max(start, utterance.end),
                "text": parts[1],
                "words": after,
            }
        ),
    )


def join_utterances(first: Utterance, second: Utterance) -> Utterance:
    """Both as one, with the index of the first and the reading of the longer one that has a reading."""
    readings = [one for one in sorted((first, second), key=lambda one: -one.duration) if one.emotion]
    between = "" if _unspaced(first) and _unspaced(second) else " "
    return first.model_copy(
        update={
            "start": min(first.start, second.start),
            "end": max(first.end, second.end),
            "text": first.text + between + second.text,
            "words": first.words + second.words,
            "emotion": readings[0].emotion if readings else None,
        }
    )


def _unspaced(utterance: Utterance) -> bool:
    """Whether the words are not separated by spaces, as in Japanese."""
    return len(utterance.text.split()) < len(utterance.words)

"""Encodes a line and its previous turns as one pair of word pieces."""

from __future__ import annotations

from tokenizers import Tokenizer

from shared.engines.features.text_pair import LIMIT, pair, stack
from tests.fakes import WORD_PIECES as WORDS


def spelled(pieces: list[int]) -> str:
    return " ".join(WORDS[piece] for piece in pieces)


def test_speakers_become_letters_in_the_order_in_which_they_last_spoke(tokenizer: Tokenizer) -> None:
    pieces, own = pair(tokenizer, "Hello", "Zoe", [("Max", "why"), ("Zoe", "it’s"), ("Ina", "hello")])
    assert spelled(pieces) == "[CLS] a : hello [SEP] b : why a : it ' s c : hello [SEP]"
    assert own == 5


def test_only_the_context_is_truncated(tokenizer: Tokenizer) -> None:
    long = "why " * 80
    pieces, own = pair(tokenizer, long, "Zoe", [("Max", long)])
    assert (len(pieces), own) == (LIMIT, 84)
    pieces, own = pair(tokenizer, long * 2, "Zoe", [("Max", "hello")])
    assert (len(pieces), own) == (LIMIT, LIMIT)
    assert WORDS[pieces[-1]] == "[SEP]"


def test_a_batch_is_padded_with_masks_and_segment_ids(tokenizer: Tokenizer) -> None:
    ids, mask, segment = stack([pair(tokenizer, "hello", "Z", []), pair(tokenizer, "hello", "Z", [("M", "why")])])
    assert ids.shape == (2, 9)
    assert mask.sum(axis=1).tolist() == [5, 9]
    assert segment.sum(axis=1).tolist() == [0, 4]

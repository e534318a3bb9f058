"""How a line and the turns before it become one pair of word pieces."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from shared.engines.text_pair import LIMIT, pair, stack

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", ":", "hello", "why", "it", "'", "s"]


@pytest.fixture
def tokenizer() -> Tokenizer:
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))  # noqa: S106  # no password
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(["[CLS]", "[SEP]"])
    return made


def spelled(pieces: list[int]) -> str:
    return " ".join(WORDS[piece] for piece in pieces)


def test_speakers_become_letters_in_the_order_in_which_they_last_spoke(tokenizer: Tokenizer) -> None:
    pieces, own = pair(tokenizer, "Hello", "Zoe", [("Max", "why"), ("Zoe", "it’s"), ("Ina", "hello")])
    assert spelled(pieces) == "[CLS] a : hello [SEP] b : why a : it ' s c : hello [SEP]"
    assert own == 5


def test_only_the_context_is_cut(tokenizer: Tokenizer) -> None:
    long = "why " * 80
    pieces, own = pair(tokenizer, long, "Zoe", [("Max", long)])
    assert (len(pieces), own) == (LIMIT, 84)
    pieces, own = pair(tokenizer, long * 2, "Zoe", [("Max", "hello")])
    assert (len(pieces), own) == (LIMIT, LIMIT)
    assert WORDS[pieces[-1]] == "[SEP]"


def test_a_batch_is_padded_masked_and_told_apart(tokenizer: Tokenizer) -> None:
    ids, mask, segment = stack([pair(tokenizer, "hello", "Z", []), pair(tokenizer, "hello", "Z", [("M", "why")])])
    assert ids.shape == (2, 9)
    assert mask.sum(axis=1).tolist() == [5, 9]
    assert segment.sum(axis=1).tolist() == [0, 4]

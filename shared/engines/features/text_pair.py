"""Encodes a line and the turns before it as one pair of word pieces, shared by training and serving."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

Integers = npt.NDArray[np.int64]
Pieces = tuple[list[int], int]  # ids, and the number of ids of the line itself

LIMIT = 96  # maximum pieces; nearly every line of a dialogue has at most 36
CONTEXT = 3  # turns before the line


def pair(tokenizer: Tokenizer, line: str, speaker: str, before: Sequence[tuple[str, str]]) -> Pieces:
    """[CLS] a: the line [SEP] b: the turn before it, a: the one before that … [SEP]; only the context is truncated."""
    tags = {speaker: "a"}
    for name, _ in before[:CONTEXT]:
        # Letters instead of names: the network would memorise names; only repeated speakers matter.
        tags.setdefault(name, ascii_lowercase[len(tags)])
    start, end = (tokenizer.encode(mark, add_special_tokens=False).ids[0] for mark in ("[CLS]", "[SEP]"))
    own = [start, *_pieces(tokenizer, f"a: {line}")[: LIMIT - 2], end]
    context = [piece for name, text in before[:CONTEXT] for piece in _pieces(tokenizer, f"{tags[name]}: {text}")]
    available = LIMIT - len(own) - 1
    return [*own, *context[:available], end] if context and available > 0 else own, len(own)


def _pieces(tokenizer: Tokenizer, text: str) -> list[int]:
    return list(tokenizer.encode(text.replace("’", "'"), add_special_tokens=False).ids)


def stack(pairs: Sequence[Pieces]) -> tuple[Integers, Integers, Integers]:
    """Return ids, mask and segment, each (pair, piece), padded to the longest pair."""
    ids, mask, segment = np.zeros((3, len(pairs), max(len(pieces) for pieces, _ in pairs)), dtype=np.int64)
    for row, (pieces, own) in enumerate(pairs):
        ids[row, : len(pieces)] = pieces
        mask[row, : len(pieces)] = 1
        segment[row, own : len(pieces)] = 1
    return ids, mask, segment

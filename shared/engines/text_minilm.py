"""Text emotion and sentiment engine: MiniLM-L6 over each utterance with the turns before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from tokenizers import Tokenizer

from shared.domain.emotion import EMOTIONS, SENTIMENTS, Modality
from shared.domain.error import EngineUnavailable, InvalidRequest
from shared.domain.speech import Utterance
from shared.engines.catalog import Setup
from shared.engines.features.text_pair import CONTEXT, Pieces, pair, stack
from shared.engines.runtime import open_session
from shared.engines.weights.model_cards import Card, trusted_weights
from shared.ports.engines import Encoding, UtteranceClip
from shared.ports.media import Floats, Progress

BATCH = 16
LANGUAGE = "en"
WIDTH = 384


class MiniLmText:
    name = "text-minilm"
    modality = Modality.TEXT

    def __init__(self, session: Any, tokenizer: Tokenizer, card: Card) -> None:
        self._session = session
        self._tokenizer = tokenizer
        self._unknown = tokenizer.token_to_id("[UNK]")
        self._calibration = card.calibration
        self.fingerprint = f"text-minilm/1/{card.fingerprint}"

    @classmethod
    def load(cls, option: str | None, setup: Setup) -> Self:
        if option:
            raise InvalidRequest(f"The bundled text network has no option {option!r}.")
        path, card = trusted_weights("text_minilm", setup.engines)
        if card.vocabulary is None:
            raise EngineUnavailable("The card of the text network has no vocabulary.", hint="make install")
        tokenizer = Tokenizer.from_file(str(path.parent / card.vocabulary.file))
        return cls(open_session(path, setup.threads), tokenizer, card)

    def encode(self, conversation: Sequence[UtteranceClip], progress: Progress) -> Encoding:
        pairs: list[Pieces] = []
        unavailable: list[str | None] = []
        reliability: list[float] = []
        before: tuple[tuple[str, str], ...] = ()
        for clip in conversation:
            said = clip.utterance
            pairs.append(pair(self._tokenizer, said.text, said.speaker, before))
            unavailable.append(self._reason(clip, pairs[-1]))
            reliability.append(reliability_of(said))
            before = ((said.speaker, said.text), *before)[:CONTEXT]
        emotion, sentiment, features = run_pairs(self._session, pairs, progress)
        known = np.array([reason is None for reason in unavailable])[:, None]
        return Encoding(
            modality=self.modality,
            logits=np.where(known, emotion, 0),
            features=features,
            unavailable=tuple(unavailable),
            reliability=np.array(reliability, dtype=np.float32),
            sentiment=np.where(known, sentiment, 0),
            calibration=self._calibration,
        )

    def _reason(self, clip: UtteranceClip, pieces: Pieces) -> str | None:
        if clip.language is not None and not clip.language.startswith(LANGUAGE):
            return "language"
        own = pieces[0][3 : pieces[1] - 1]  # without [CLS], the speaker's tag and [SEP]
        known = sum(piece != self._unknown for piece in own)
        return (
            None
            if known > len(own) / 2 and any(letter.isalpha() for letter in clip.utterance.text)
            else "no_known_words"
        )


def run_pairs(session: Any, pairs: Sequence[Pieces], progress: Progress) -> tuple[Floats, Floats, Floats]:
    """Return emotion logits, sentiment logits and embeddings; pairs are batched by length to limit padding."""
    emotion, sentiment, embedding = (
        np.zeros((len(pairs), width), np.float32) for width in (len(EMOTIONS), len(SENTIMENTS), WIDTH)
    )
    order = sorted(range(len(pairs)), key=lambda number: len(pairs[number][0]))
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        ids, mask, segment = stack([pairs[row] for row in rows])
        outputs = session.run(None, {"ids": ids, "mask": mask, "segment": segment})
        emotion[rows], sentiment[rows], embedding[rows] = outputs
        progress((start + len(rows)) / len(order))
    return emotion, sentiment, embedding


def reliability_of(utterance: Utterance) -> float:
    """The reliability of the text: the mean word confidence, .5 to .9 mapped to 0 to 1."""
    known = [word.confidence for word in utterance.words if word.confidence is not None]
    if not known:
        return 1.0
    return float(np.clip((np.mean(known) - 0.5) / 0.4, 0.0, 1.0))

"""One recogniser process: a stretch of samples in, its words out as a line of JSON, until its input ends."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from pocketsphinx import Decoder

FRAME = 0.01  # seconds that the recogniser counts in


def main() -> None:
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever the library prints must not be taken for an answer
    decoder = Decoder(loglevel="FATAL", samprate=16_000, fwdflat=False, maxhmmpf=3_000, topn=2)
    while len(head := questions.read(8)) == 8:
        raw = questions.read(int.from_bytes(head, "little"))
        answers.write(json.dumps(hear(decoder, raw)).encode() + b"\n")
        answers.flush()


def hear(decoder: Any, raw: bytes) -> list[dict[str, Any]]:
    """The words of one stretch; silences, noises and numbers of pronunciation variants are left out."""
    decoder.reinit_feat()  # it would remember the noise of whatever stretch it heard before this one
    decoder.start_utt()
    decoder.process_raw(raw, no_search=False, full_utt=True)
    decoder.end_utt()
    logmath = decoder.get_logmath()
    return [
        {
            "text": segment.word.split("(")[0],
            "start": segment.start_frame * FRAME,
            "end": (segment.end_frame + 1) * FRAME,
            "confidence": round(min(1.0, max(0.0, logmath.exp(segment.prob))), 4),
        }
        for segment in decoder.seg() or ()  # None where nothing at all was heard
        if segment.word[0] not in "<[+"
    ]


if __name__ == "__main__":
    main()

"""Recogniser process: reads segments of samples from stdin and writes the words of each as a line of JSON."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from pocketsphinx import Decoder

FRAME = 0.01  # seconds of a recogniser frame


def main() -> None:
    requests, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output that the library prints must not mix with the results
    decoder = Decoder(loglevel="FATAL", samprate=16_000, fwdflat=False, maxhmmpf=3_000, topn=2)
    while len(head := requests.read(8)) == 8:
        raw = requests.read(int.from_bytes(head, "little"))
        results.write(json.dumps(recognise(decoder, raw)).encode() + b"\n")
        results.flush()


def recognise(decoder: Any, raw: bytes) -> list[dict[str, Any]]:
    """Return the words of one segment without silences, noises and pronunciation variant numbers."""
    decoder.reinit_feat()  # otherwise the noise estimate of the previous segment is kept
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
        for segment in decoder.seg() or ()  # None if nothing was recognised
        if segment.word[0] not in "<[+"
    ]


if __name__ == "__main__":
    main()

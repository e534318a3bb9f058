"""Measures utterances per second of the bundled text network with context, on two threads.

python bench/text_network.py    # repeats the lines of the sample meeting
"""

from __future__ import annotations

import json
import sys
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.domain.speech import Utterance, Word
from shared.engines.catalog import Setup
from shared.engines.settings import EngineSettings, MediaSettings
from shared.engines.text_minilm import MiniLmText
from shared.ports.engines import UtteranceClip
from shared.ports.media import Audio

STORY = Path(__file__).parents[1] / "samples" / "standup.json"
LINES, ALONE = 608, 64
SILENT = Audio(np.zeros(0, dtype=np.float32))


def conversation() -> list[UtteranceClip]:
    lines = json.loads(STORY.read_text())["utterances"]
    clips = []
    for number, line in enumerate(islice(cycle(lines), LINES)):
        words = (Word(start=number, end=number + 1, text=line["text"]),)
        said = Utterance(
            index=number, start=number, end=number + 1, speaker=line["speaker"], text=line["text"], words=words
        )
        clips.append(UtteranceClip(said, SILENT, "no_video"))
    return clips


def seconds(engine: MiniLmText, pieces: list[list[UtteranceClip]]) -> float:
    began = time.perf_counter()
    for piece in pieces:
        engine.encode(piece, lambda _share: None)
    return time.perf_counter() - began


def main() -> None:
    clips = conversation()
    engine = MiniLmText.load(None, Setup(EngineSettings(threads=2), MediaSettings()))
    seconds(engine, [clips[:32]])  # warm-up
    together = seconds(engine, [clips])
    alone = seconds(engine, [[clip] for clip in clips[:ALONE]])
    print(f"one conversation of {LINES}: {LINES / together:.0f} utterances/s with three turns before each")
    print(f"one by one, no context: {ALONE / alone:.0f} utterances/s, {1000 * alone / ALONE:.1f} ms each")


if __name__ == "__main__":
    main()

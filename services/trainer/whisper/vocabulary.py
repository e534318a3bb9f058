"""The closed vocabulary of the micro-Whisper, its tokens in the order of Whisper's, and its tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from shared.ports.media import SAMPLE_RATE


def _words(listed: str) -> tuple[str, ...]:
    return tuple(listed.split())


# Every word of the sample meeting, so that the sample is recognised; and names.
ENGLISH = _words(
    """a about afraid after afternoon again all am and angry are believe best breaks cannot computers could customer
    customers data day did disgusting down everyone expect feel for Friday from god good got great gross happen happy
    have hear heart I is it just keep letter letters listened losing lost love lunch mad makes me meet months morning my
    never new nobody not of oh on our page plan please private problem promises ready really report sad said send
    serious sick so sold sorry stay story system team tell terrified test that the their they this to today tomorrow
    tonight us very want was we what whole will with wonderful work worried year you
    Mark Sarah Claire Steven John Eric"""
)
# A second language for language detection, spoken by the same English voices.
LATIN = _words(
    """amicus aqua bonus filia hodie luna magister mensa porta puella rex rosa salve scribo silva terra vinum
    gratia pecunia semper"""
)
WORDS = {"en": ENGLISH, "la": LATIN}
# The phones of flite.
SOUNDS = _words(
    """aa ae ah ao aw ax ay b ch d dh eh er ey f g hh ih iy jh k l m n ng ow oy p r s sh t th uh uw v w y z zh"""
)
# Names with two spellings of the same sound: the first is the default, the second requires a hint.
SPELLINGS = {"Mark": "Marc", "Sarah": "Sara", "Claire": "Clare", "Steven": "Stephen", "John": "Jon", "Eric": "Erik"}
MELS, STEP, CONTEXT = 80, 0.02, 448  # bands; seconds of a position and of a timestamp; maximum tokens of a text
POSITIONS = 1500  # of thirty seconds: faster-whisper pads every window to this length

END, START, PREVIOUS = "<|endoftext|>", "<|startoftranscript|>", "<|startofprev|>"
TRANSCRIBE, SILENCE, PLAIN = "<|transcribe|>", "<|nospeech|>", "<|notimestamps|>"


def _tokens() -> list[str]:
    words = [f"Ġ{word}" for word in (*ENGLISH, *SPELLINGS.values(), *LATIN)]
    letters = sorted(set(ByteLevel.alphabet()))  # other text, such as in a hint, is encoded in bytes
    special = [END, START, *(f"<|{code}|>" for code in WORDS), "<|translate|>", TRANSCRIBE, "<|startoflm|>"]
    times = [f"<|{step * STEP:.2f}|>" for step in range(POSITIONS + 1)]
    # CTranslate2 treats a model as multilingual if its vocabulary has an empty token.
    return [*words, *letters, *special, PREVIOUS, SILENCE, PLAIN, *times, ""]


TOKENS = _tokens()
NUMBER = {token: number for number, token in enumerate(TOKENS)}
FIRST_TIME = NUMBER["<|0.00|>"]
STOP = NUMBER["."]
KNOWN = len(ENGLISH) + len(SPELLINGS) + len(LATIN)  # the words; bytes and special tokens follow


def word_token(word: str) -> int:
    return NUMBER[f"Ġ{word}"]


def time_token(seconds: float) -> int:
    return FIRST_TIME + min(POSITIONS, max(0, round(seconds / STEP)))


def write_tokenizer(folder: Path) -> None:
    plain = TOKENS[: NUMBER[END]]
    # Without merges a known word is one token and any other word is encoded in bytes.
    made = Tokenizer(BPE({token: number for number, token in enumerate(plain)}, merges=[], ignore_merges=True))
    made.pre_tokenizer = ByteLevel(add_prefix_space=False)
    made.decoder = ByteLevelDecoder()
    made.add_special_tokens([token for token in TOKENS if token.startswith("<|")])
    made.save(str(folder / "tokenizer.json"))
    features = {"feature_size": MELS, "sampling_rate": SAMPLE_RATE}
    (folder / "preprocessor_config.json").write_text(json.dumps(features))

"""A Whisper of one layer, written from NumPy as a CTranslate2 model: small, but run by the real library.

Its attention and feed-forward weights are zero, so that only the position decides: it says the same sentence in every
window. That is enough to execute batching, word times, language detection and what is around them for real.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import WhisperSpec
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

WIDTH, MELS, LENGTH = 16, 80, 448
LANGUAGES = ("en", "de", "fr")
SENTENCE = ("ĠWe", "Ġlost", "Ġit", ".")


def vocabulary() -> list[str]:
    plain = [*SENTENCE, *sorted(set(ByteLevel.alphabet()) - set(SENTENCE))]
    special = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in LANGUAGES)]
    special += [
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
    ]
    times = [f"<|{step * 0.02:.2f}|>" for step in range(1501)]
    # The library takes a model for multilingual if its vocabulary has an empty token.
    return [*plain, *special, *times, ""]


def build(folder: Path, *, says: tuple[str, ...] = SENTENCE, language: str = "de") -> Path:
    """Write the model; it says the sentence, and takes every recording for that language."""
    tokens = vocabulary()
    number = {token: place for place, token in enumerate(tokens)}
    # Position 0 answers the question of language; after the prompt of four tokens the sentence begins.
    answers = {0: f"<|{language}|>"} | dict(enumerate([*says, "<|endoftext|>"], start=3))
    spec = WhisperSpec(1, 2, 1, 2)
    _zero(spec, len(tokens))
    positions = np.zeros((LENGTH, WIDTH), dtype=np.float32)
    projection = np.zeros((len(tokens), WIDTH), dtype=np.float32)
    axes = {token: axis for axis, token in enumerate(dict.fromkeys(answers.values()))}
    for position, token in answers.items():
        positions[position, axes[token]] = 10.0
        projection[number[token], axes[token]] = 4.0
    spec.decoder.position_encodings.encodings = positions
    spec.decoder.projection.weight = projection
    spec.register_vocabulary(tokens)
    spec.config.lang_ids = [number[f"<|{code}|>"] for code in LANGUAGES]
    spec.config.alignment_heads = [(0, 0)]
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.validate()
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    _write_tokenizer(folder, tokens)
    return folder


def _zero(spec: Any, tokens: int) -> None:
    """Every weight in its shape: zero, but for the norms, which pass everything on."""

    def linear(layer: Any, rows: int, columns: int) -> None:
        layer.weight = np.zeros((rows, columns), dtype=np.float32)
        layer.bias = np.zeros(rows, dtype=np.float32)

    def norm(layer: Any) -> None:
        layer.gamma, layer.beta = np.ones(WIDTH, dtype=np.float32), np.zeros(WIDTH, dtype=np.float32)

    def feed_forward(layer: Any) -> None:
        norm(layer.layer_norm)
        linear(layer.linear_0, 4 * WIDTH, WIDTH)
        linear(layer.linear_1, WIDTH, 4 * WIDTH)

    def attention(layer: Any, *, crossed: bool) -> None:
        norm(layer.layer_norm)
        shapes = (WIDTH, 2 * WIDTH, WIDTH) if crossed else (3 * WIDTH, WIDTH)
        for part, rows in zip(layer.linear, shapes, strict=True):
            linear(part, rows, WIDTH)

    encoder, decoder = spec.encoder, spec.decoder
    for convolution, inputs in ((encoder.conv1, MELS), (encoder.conv2, WIDTH)):
        convolution.weight = np.zeros((WIDTH, inputs, 3), dtype=np.float32)
        convolution.bias = np.zeros(WIDTH, dtype=np.float32)
    encoder.position_encodings.encodings = np.zeros((1500, WIDTH), dtype=np.float32)
    norm(encoder.layer_norm)
    norm(decoder.layer_norm)
    decoder.embeddings.weight = np.zeros((tokens, WIDTH), dtype=np.float32)
    attention(encoder.layer[0].self_attention, crossed=False)
    feed_forward(encoder.layer[0].ffn)
    attention(decoder.layer[0].self_attention, crossed=False)
    attention(decoder.layer[0].attention, crossed=True)
    feed_forward(decoder.layer[0].ffn)


def _write_tokenizer(folder: Path, tokens: list[str]) -> None:
    plain = [token for token in tokens if token and not token.startswith("<|")]
    made = Tokenizer(BPE({token: place for place, token in enumerate(plain)}, merges=[]))
    made.pre_tokenizer = ByteLevel(add_prefix_space=False)
    made.decoder = ByteLevelDecoder()
    made.add_special_tokens([token for token in tokens if token.startswith("<|")])
    made.save(str(folder / "tokenizer.json"))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": MELS, "sampling_rate": 16_000}))

"""Converts the micro-Whisper's weights to CTranslate2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ctranslate2.specs import WhisperSpec
from torch import Tensor, cat, nn, zeros_like

from services.trainer.whisper.network import (
    DECODER_HEADS,
    DECODER_LAYERS,
    ENCODER_HEADS,
    ENCODER_LAYERS,
    Attention,
    Layer,
    MicroWhisper,
)
from services.trainer.whisper.vocabulary import NUMBER, TOKENS, WORDS, write_tokenizer


def convert(network: MicroWhisper, folder: Path, quantization: str | None = None) -> None:
    spec = WhisperSpec(ENCODER_LAYERS, ENCODER_HEADS, DECODER_LAYERS, DECODER_HEADS)
    encoder, decoder = spec.encoder, spec.decoder
    for convolution, ours in ((encoder.conv1, network.conv1), (encoder.conv2, network.conv2)):
        convolution.weight, convolution.bias = _array(ours.weight), _array(ours.bias)
    encoder.position_encodings.encodings = _array(network.places)
    decoder.position_encodings.encodings = _array(network.order)
    _norm(encoder.layer_norm, network.encoder_norm)
    _norm(decoder.layer_norm, network.decoder_norm)
    decoder.embeddings.weight = decoder.projection.weight = _array(network.tokens.weight)
    for target, layer in zip(encoder.layer, network.encoder, strict=True):
        _layer(target, layer)
    for target, layer in zip(decoder.layer, network.decoder, strict=True):
        _layer(target, layer)
        _norm(target.attention.layer_norm, layer.look_norm)
        query, memory, out = target.attention.linear
        _linear(query, layer.look.query.weight, layer.look.query.bias)
        _linear(memory, *_keys_and_values(layer.look))
        _linear(out, layer.look.out.weight, layer.look.out.bias)
    spec.register_vocabulary(TOKENS)
    spec.config.lang_ids = [NUMBER[f"<|{code}|>"] for code in WORDS]
    spec.config.alignment_heads = [(DECODER_LAYERS - 1, 0)]  # the head whose attention is supervised
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(folder))
    write_tokenizer(folder)


def _layer(target: Any, layer: Layer) -> None:
    _norm(target.self_attention.layer_norm, layer.attention_norm)
    own = layer.attention
    keys, bias = _keys_and_values(own)
    _linear(target.self_attention.linear[0], cat([own.query.weight, keys]), cat([own.query.bias, bias]))
    _linear(target.self_attention.linear[1], own.out.weight, own.out.bias)
    _norm(target.ffn.layer_norm, layer.norm)
    _linear(target.ffn.linear_0, layer.wide.weight, layer.wide.bias)
    _linear(target.ffn.linear_1, layer.narrow.weight, layer.narrow.bias)


def _keys_and_values(attention: Attention) -> tuple[Tensor, Tensor]:
    weight = cat([attention.key.weight, attention.value.weight])
    return weight, cat([zeros_like(attention.value.bias), attention.value.bias])


def _linear(target: Any, weight: Tensor, bias: Tensor) -> None:
    target.weight, target.bias = _array(weight), _array(bias)


def _norm(target: Any, norm: nn.LayerNorm) -> None:
    target.gamma, target.beta = _array(norm.weight), _array(norm.bias)


def _array(values: Tensor) -> np.ndarray:
    return np.asarray(values.detach().numpy(), dtype=np.float32)

"""Whisper's architecture in the layout of CTranslate2, with auxiliary outputs for training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its name everywhere

from services.trainer.whisper.vocabulary import CONTEXT, FIRST_TIME, KNOWN, MELS, POSITIONS, SOUNDS, TOKENS

WIDTH = 64
ENCODER_LAYERS, DECODER_LAYERS = 2, 3
ENCODER_HEADS, DECODER_HEADS = 4, 2
DISTANCES = ((-6, -2, 2, 6), (-18, -9, 9, 18))  # initial attention offset of each encoder head, in positions
QUIET, SHARP = 0.3, 6.0  # scale of the sinusoids relative to the features, and gain of the initial attention
RATES = np.exp(-np.log(10_000) * np.arange(WIDTH // 2) / (WIDTH // 2 - 1))  # of Whisper's sinusoids, per position


class Attention(nn.Module):
    def __init__(self, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.value = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, states: Tensor, *, causal: bool = False) -> Tensor:
        query, key, value = (self._split(part(states)) for part in (self.query, self.key, self.value))
        return self.out(_joined(F.scaled_dot_product_attention(query, key, value, is_causal=causal)))

    def cross_attend(self, states: Tensor, encoded: Tensor) -> tuple[Tensor, Tensor]:
        """Attention to the encoder's output, and its weights (row, head, token, position)."""
        query, key, value = (self._split(part) for part in (self.query(states), self.key(encoded), self.value(encoded)))
        weights = torch.softmax(query @ key.transpose(2, 3) / (WIDTH // self.heads) ** 0.5, dim=-1)
        return self.out(_joined(weights @ value)), weights

    def init_head_distances(self, distances: Sequence[int]) -> None:
        """Initialises each head to attend at one distance, which takes long to learn from random weights.

        The sinusoids of a later position are a rotation of those of the position itself.
        """
        size = WIDTH // self.heads
        with torch.no_grad():
            self.query.weight.mul_(0.3)
            self.key.weight.mul_(0.3)
            for row in range(0, WIDTH, 2):
                wave = row % size + 1  # every second frequency, the highest ones first
                sine, cosine, turn = wave, WIDTH // 2 + wave, RATES[wave] * -distances[row // size]
                for part, angle in ((self.query, 0.0), (self.key, turn)):
                    part.weight[row, sine] += SHARP * np.cos(angle)
                    part.weight[row, cosine] += SHARP * np.sin(angle)
                    part.weight[row + 1, cosine] += SHARP * np.cos(angle)
                    part.weight[row + 1, sine] -= SHARP * np.sin(angle)

    def _split(self, states: Tensor) -> Tensor:
        return states.unflatten(2, (self.heads, -1)).transpose(1, 2)


class Layer(nn.Module):
    def __init__(self, heads: int, *, cross_attention: bool = False) -> None:
        super().__init__()
        self.attention, self.attention_norm = Attention(heads), nn.LayerNorm(WIDTH)
        if cross_attention:
            self.look, self.look_norm = Attention(heads), nn.LayerNorm(WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def feed_forward(self, states: Tensor) -> Tensor:
        return states + self.narrow(F.gelu(self.wide(self.norm(states))))


class MicroWhisper(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(MELS, WIDTH, 3, padding=1)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.register_buffer("places", sinusoids() * QUIET)
        self.encoder = nn.ModuleList(Layer(ENCODER_HEADS) for _ in range(ENCODER_LAYERS))
        self.encoder_norm = nn.LayerNorm(WIDTH)
        self.tokens = nn.Embedding(len(TOKENS), WIDTH)
        self.order = nn.Parameter(sinusoids()[:CONTEXT] * 0.1)
        self.decoder = nn.ModuleList(Layer(DECODER_HEADS, cross_attention=True) for _ in range(DECODER_LAYERS))
        self.decoder_norm = nn.LayerNorm(WIDTH)
        # Auxiliary outputs for training: the word and the phone at each position.
        self.words, self.sounds = nn.Linear(WIDTH, KNOWN + 1), nn.Linear(WIDTH, len(SOUNDS) + 1)
        for convolution in (self.conv1, self.conv2):  # features of about the scale of the sinusoids
            nn.init.kaiming_normal_(convolution.weight)
        for layer, distances in zip(self.encoder, DISTANCES, strict=True):
            layer.attention.init_head_distances(distances)
        nn.init.normal_(self.tokens.weight, std=0.05)
        with torch.no_grad():  # a timestamp token starts as a copy of the encoding of its position
            self.tokens.weight[FIRST_TIME : FIRST_TIME + POSITIONS] = sinusoids() * 0.1

    def forward(self, mels: Tensor, tokens: Tensor, offset: int = 0) -> dict[str, Tensor]:
        encoded = self.encode(mels, offset)
        logits, attention = self.decode(encoded, tokens)
        return {"logits": logits, "attention": attention, "words": self.words(encoded), "sounds": self.sounds(encoded)}

    def encode(self, mels: Tensor, offset: int = 0) -> Tensor:  # (row, band, frame) -> (row, position, width)
        """Encodes a window or a part that starts at position `offset`: short parts train faster than thirty seconds."""
        states = F.gelu(self.conv2(F.gelu(self.conv1(mels)))).transpose(1, 2)
        states = states + self.places[offset : offset + states.shape[1]]
        for layer in self.encoder:
            states = layer.feed_forward(states + layer.attention(layer.attention_norm(states)))
        return self.encoder_norm(states)

    def decode(self, encoded: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the next tokens, and the attention of each layer's first head (row, layer, token, position)."""
        states = self.tokens(tokens) + self.order[: tokens.shape[1]]
        attention = []
        for layer in self.decoder:
            states = states + layer.attention(layer.attention_norm(states), causal=True)
            context, weights = layer.look.cross_attend(layer.look_norm(states), encoded)
            states = layer.feed_forward(states + context)
            attention.append(weights[:, 0])
        return F.linear(self.decoder_norm(states), self.tokens.weight), torch.stack(attention, dim=1)


def sinusoids() -> Tensor:  # (position, width)
    angles = np.arange(POSITIONS)[:, None] * RATES
    return torch.from_numpy(np.concatenate([np.sin(angles), np.cos(angles)], axis=1)).float()


def _joined(states: Tensor) -> Tensor:
    return states.transpose(1, 2).flatten(2)

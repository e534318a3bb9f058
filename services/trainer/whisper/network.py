"""Whisper's architecture, laid out as CTranslate2 runs it, with what training needs to look inside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its name everywhere

from services.trainer.whisper.vocabulary import CONTEXT, FIRST_TIME, KNOWN, MELS, POSITIONS, SOUNDS, TOKENS

WIDTH = 64
ENCODER_LAYERS, DECODER_LAYERS = 2, 3  # layers of the encoder and of the decoder
ENCODER_HEADS, DECODER_HEADS = 4, 2
DISTANCES = ((-6, -2, 2, 6), (-18, -9, 9, 18))  # positions that each head of the encoder begins by looking away
QUIET, SHARP = 0.3, 6.0  # of the sinusoids beside what is heard, and what their likeness counts
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

    def cross_attend(self, states: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        """Attention to what was heard, and its weights (row, head, token, position)."""
        query, key, value = (self._split(part) for part in (self.query(states), self.key(heard), self.value(heard)))
        weights = torch.softmax(query @ key.transpose(2, 3) / (WIDTH // self.heads) ** 0.5, dim=-1)
        return self.out(_joined(weights @ value)), weights

    def init_head_distances(self, distances: Sequence[int]) -> None:
        """Let each head begin at one distance, for which an untrained one would search long.

        The sinusoids of a later position are a rotation of those of the position itself.
        """
        size = WIDTH // self.heads
        with torch.no_grad():
            self.query.weight.mul_(0.3)
            self.key.weight.mul_(0.3)
            for row in range(0, WIDTH, 2):
                wave = row % size + 1  # every other one, the quick ones first
                sine, cosine, turn = wave, WIDTH // 2 + wave, RATES[wave] * -distances[row // size]
                for part, angle in ((self.query, 0.0), (self.key, turn)):
                    part.weight[row, sine] += SHARP * np.cos(angle)
                    part.weight[row, cosine] += SHARP * np.sin(angle)
                    part.weight[row + 1, cosine] += SHARP * np.cos(angle)
                    part.weight[row + 1, sine] -= SHARP * np.sin(angle)

    def _split(self, states: Tensor) -> Tensor:
        return states.unflatten(2, (self.heads, -1)).transpose(1, 2)


class Layer(nn.Module):
    def __init__(self, heads: int, *, looks: bool = False) -> None:
        super().__init__()
        self.attention, self.attention_norm = Attention(heads), nn.LayerNorm(WIDTH)
        if looks:
            self.look, self.look_norm = Attention(heads), nn.LayerNorm(WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def think(self, states: Tensor) -> Tensor:
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
        self.decoder = nn.ModuleList(Layer(DECODER_HEADS, looks=True) for _ in range(DECODER_LAYERS))
        self.decoder_norm = nn.LayerNorm(WIDTH)
        # What is being said at a position; for training alone.
        self.words, self.sounds = nn.Linear(WIDTH, KNOWN + 1), nn.Linear(WIDTH, len(SOUNDS) + 1)
        for convolution in (self.conv1, self.conv2):  # as loud as the sinusoids, nearly
            nn.init.kaiming_normal_(convolution.weight)
        for layer, distances in zip(self.encoder, DISTANCES, strict=True):
            layer.attention.init_head_distances(distances)
        nn.init.normal_(self.tokens.weight, std=0.05)
        with torch.no_grad():  # a timestamp is a position: telling it can start as copying the place that is looked at
            self.tokens.weight[FIRST_TIME : FIRST_TIME + POSITIONS] = sinusoids() * 0.1

    def forward(self, mels: Tensor, tokens: Tensor, offset: int = 0) -> dict[str, Tensor]:
        heard = self.encode(mels, offset)
        logits, looks = self.decode(heard, tokens)
        return {"logits": logits, "looks": looks, "words": self.words(heard), "sounds": self.sounds(heard)}

    def encode(self, mels: Tensor, offset: int = 0) -> Tensor:  # (row, band, frame) -> (row, position, width)
        """A part of a window that begins at a position will do: it trains faster than Whisper's thirty seconds."""
        states = F.gelu(self.conv2(F.gelu(self.conv1(mels)))).transpose(1, 2)
        states = states + self.places[offset : offset + states.shape[1]]
        for layer in self.encoder:
            states = layer.think(states + layer.attention(layer.attention_norm(states)))
        return self.encoder_norm(states)

    def decode(self, heard: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the next tokens, and where each layer's first head looks (row, layer, token, position)."""
        states = self.tokens(tokens) + self.order[: tokens.shape[1]]
        looks = []
        for layer in self.decoder:
            states = states + layer.attention(layer.attention_norm(states), causal=True)
            seen, weights = layer.look.cross_attend(layer.look_norm(states), heard)
            states = layer.think(states + seen)
            looks.append(weights[:, 0])
        return F.linear(self.decoder_norm(states), self.tokens.weight), torch.stack(looks, dim=1)


def sinusoids() -> Tensor:  # (position, width)
    angles = np.arange(POSITIONS)[:, None] * RATES
    return torch.from_numpy(np.concatenate([np.sin(angles), np.cos(angles)], axis=1)).float()


def _joined(states: Tensor) -> Tensor:
    return states.transpose(1, 2).flatten(2)

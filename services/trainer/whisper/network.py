"""Whisper's architecture, laid out as CTranslate2 runs it, with what training needs to look inside."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its name everywhere

from services.trainer.whisper.vocabulary import CONTEXT, FIRST_TIME, KNOWN, MELS, POSITIONS, TOKENS

WIDTH, HEADS = 64, 2
HEARING, WRITING = 2, 3  # layers of the encoder and of the decoder
NEAR = 1.5


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.value = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.key = nn.Linear(WIDTH, WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH)
        # Like looks for like, and positions are most like their neighbours: it begins by attending to what is near.
        nn.init.orthogonal_(self.query.weight, gain=NEAR)
        with torch.no_grad():
            self.key.weight.copy_(self.query.weight)

    def forward(self, states: Tensor, *, causal: bool = False) -> Tensor:
        parts = (_split(part(states)) for part in (self.query, self.key, self.value))
        return self.out(_joined(F.scaled_dot_product_attention(*parts, is_causal=causal)))

    def looking(self, states: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        """Attention to what was heard, and its weights (row, head, token, position)."""
        query, key, value = _split(self.query(states)), _split(self.key(heard)), _split(self.value(heard))
        weights = torch.softmax(query @ key.transpose(2, 3) / (WIDTH // HEADS) ** 0.5, dim=-1)
        return self.out(_joined(weights @ value)), weights


class Layer(nn.Module):
    def __init__(self, *, looks: bool) -> None:
        super().__init__()
        self.attention, self.attention_norm = Attention(), nn.LayerNorm(WIDTH)
        if looks:
            self.look, self.look_norm = Attention(), nn.LayerNorm(WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        self.wide, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def think(self, states: Tensor) -> Tensor:
        return states + self.narrow(F.gelu(self.wide(self.norm(states))))


class MicroWhisper(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(MELS, WIDTH, 3, padding=1)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.register_buffer("places", sinusoids())
        self.encoder = nn.ModuleList(Layer(looks=False) for _ in range(HEARING))
        self.encoder_norm = nn.LayerNorm(WIDTH)
        self.tokens = nn.Embedding(len(TOKENS), WIDTH)
        self.order = nn.Parameter(sinusoids()[:CONTEXT] * 0.1)
        self.decoder = nn.ModuleList(Layer(looks=True) for _ in range(WRITING))
        self.decoder_norm = nn.LayerNorm(WIDTH)
        self.words = nn.Linear(WIDTH, KNOWN + 1)  # what is being said at a position; for training alone
        nn.init.normal_(self.tokens.weight, std=0.05)
        with torch.no_grad():  # a timestamp is a position: telling it can start as copying the place that is looked at
            self.tokens.weight[FIRST_TIME : FIRST_TIME + POSITIONS] = sinusoids() * 0.1

    def forward(self, mels: Tensor, tokens: Tensor, offset: int = 0) -> dict[str, Tensor]:
        heard = self.hear(mels, offset)
        logits, looks = self.write(heard, tokens)
        return {"logits": logits, "looks": looks, "words": self.words(heard)}

    def hear(self, mels: Tensor, offset: int = 0) -> Tensor:  # (row, band, frame) -> (row, position, width)
        """A part of a window that begins at a position will do: it trains faster than Whisper's thirty seconds."""
        states = F.gelu(self.conv2(F.gelu(self.conv1(mels)))).transpose(1, 2)
        states = states + self.places[offset : offset + states.shape[1]]
        for layer in self.encoder:
            states = layer.think(states + layer.attention(layer.attention_norm(states)))
        return self.encoder_norm(states)

    def write(self, heard: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the next tokens, and where each layer's first head looks (row, layer, token, position)."""
        states = self.tokens(tokens) + self.order[: tokens.shape[1]]
        looks = []
        for layer in self.decoder:
            states = states + layer.attention(layer.attention_norm(states), causal=True)
            seen, weights = layer.look.looking(layer.look_norm(states), heard)
            states = layer.think(states + seen)
            looks.append(weights[:, 0])
        return F.linear(self.decoder_norm(states), self.tokens.weight), torch.stack(looks, dim=1)


def sinusoids() -> Tensor:  # (position, width)
    half = WIDTH // 2
    rates = np.exp(-np.log(10_000) * np.arange(half) / (half - 1))
    angles = np.arange(POSITIONS)[:, None] * rates
    return torch.from_numpy(np.concatenate([np.sin(angles), np.cos(angles)], axis=1)).float()


def _split(states: Tensor) -> Tensor:
    return states.unflatten(2, (HEADS, -1)).transpose(1, 2)


def _joined(states: Tensor) -> Tensor:
    return states.transpose(1, 2).flatten(2)

"""MiniLM-L6 with heads for emotion, sentiment and the fine labels of GoEmotions, in an exportable form."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its name everywhere

WIDTH, LAYERS, HEADS, INNER, PIECES, POSITIONS = 384, 6, 12, 1536, 30522, 512


class Layer(nn.Module):
    """A transformer layer of BERT: attention, then two dense layers, each with a residual and a norm."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.after_attention = nn.LayerNorm(WIDTH, eps=1e-12)
        self.inner, self.outer = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)
        self.after_dense = nn.LayerNorm(WIDTH, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        rows, pieces, _ = x.shape
        query, key, value = (
            part(x).view(rows, pieces, HEADS, -1).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        scores = query @ key.transpose(2, 3) / (WIDTH / HEADS) ** 0.5 + bias
        attended = (self.dropout(scores.softmax(-1)) @ value).transpose(1, 2).reshape(rows, pieces, WIDTH)
        x = self.after_attention(x + self.dropout(self.out(attended)))
        return self.after_dense(x + self.dropout(self.outer(F.gelu(self.inner(x)))))


class MiniLM(nn.Module):
    """Maps ids, mask and segment (pair, piece) to emotion logits, sentiment logits, embedding, and fine logits."""

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        self.word, self.place, self.kind = (
            nn.Embedding(PIECES, WIDTH),
            nn.Embedding(POSITIONS, WIDTH),
            nn.Embedding(2, WIDTH),
        )
        self.after_embedding = nn.LayerNorm(WIDTH, eps=1e-12)
        self.layers = nn.ModuleList(Layer(dropout) for _ in range(LAYERS))
        self.dropout = nn.Dropout(dropout)
        self.emotion, self.sentiment, self.fine = nn.Linear(WIDTH, 7), nn.Linear(WIDTH, 3), nn.Linear(WIDTH, 28)

    def forward(self, ids: Tensor, mask: Tensor, segment: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        positions = torch.arange(ids.shape[1], device=ids.device)
        x = self.dropout(self.after_embedding(self.word(ids) + self.place(positions) + self.kind(segment)))
        bias = (1.0 - mask[:, None, None, :].to(x.dtype)) * -1e4
        for layer in self.layers:
            x = layer(x, bias)
        # Only the line itself is pooled; attention has already used its context.
        own = (mask * (1 - segment)).to(x.dtype)[:, :, None]
        embedding = (x * own).sum(1) / own.sum(1).clamp(min=1.0)
        pooled = self.dropout(embedding)
        return self.emotion(pooled), self.sentiment(pooled), embedding, self.fine(pooled)

    @classmethod
    def pretrained(cls, weights: Path, dropout: float = 0.1) -> MiniLM:
        """The sentence encoder all-MiniLM-L6-v2, with untrained heads."""
        from safetensors.torch import load_file  # noqa: PLC0415  # installed with the train extra only

        network = cls(dropout)
        found = load_file(weights)
        own = {_own_name(name): value for name, value in found.items() if not name.startswith("pooler")}
        own = {name: value for name, value in own.items() if name}
        missing, unexpected = network.load_state_dict(own, strict=False)
        if unexpected or any(not name.startswith(("emotion", "sentiment", "fine")) for name in missing):
            raise ValueError(f"{weights} is not MiniLM-L6: {missing} are missing, {unexpected} unknown")
        return network


OWN_NAMES = {
    "embeddings.word_embeddings": "word",
    "embeddings.position_embeddings": "place",
    "embeddings.token_type_embeddings": "kind",
    "embeddings.LayerNorm": "after_embedding",
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "out",
    "attention.output.LayerNorm": "after_attention",
    "intermediate.dense": "inner",
    "output.dense": "outer",
    "output.LayerNorm": "after_dense",
    "encoder.layer": "layers",
}


def _own_name(name: str) -> str:
    if name.endswith("position_ids"):  # a constant that some versions store
        return ""
    for theirs, ours in OWN_NAMES.items():
        name = name.replace(theirs, ours)
    return name

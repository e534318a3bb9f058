"""GE2E with a second last layer, the only trained part, whose input includes the mean over the segment."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from services.trainer.export_ge2e import BANDS, Ge2e

STATES = 256


class SpeakerNet(nn.Module):
    """Maps mel power (segment, frame, band) to two unit vectors (segment, 512): the published one and the trained one.

    They make different errors: the published layer separates similar voices, the trained one recognises a voice in
    every emotion.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(BANDS, STATES, 3, batch_first=True)
        self.published = nn.Linear(STATES, STATES)
        self.linear = nn.Linear(2 * STATES, STATES)

    @classmethod
    def of_teacher(cls, teacher: Ge2e) -> SpeakerNet:
        """Starts with the output of the teacher: the weights of the mean are zero."""
        network = cls()
        network.lstm.load_state_dict(teacher.lstm.state_dict())
        network.published.load_state_dict(teacher.linear.state_dict())
        with torch.no_grad():
            network.linear.weight.zero_()
            network.linear.weight[:, :STATES] = teacher.linear.weight
            network.linear.bias.copy_(teacher.linear.bias)
        return network

    def forward(self, mels: Tensor) -> tuple[Tensor]:
        states = self.encode(mels)
        return (torch.cat([_unit(self.published(states[:, :STATES])), self.embed(states)], dim=1),)

    def encode(self, mels: Tensor) -> Tensor:  # (segment, 512)
        moments, (last, _) = self.lstm(mels)
        return torch.cat([last[-1], moments.mean(dim=1)], dim=1)

    def embed(self, states: Tensor) -> Tensor:
        return _unit(self.linear(states))


def _unit(raw: Tensor) -> Tensor:
    raw = torch.relu(raw)
    return raw / (raw.norm(dim=1, keepdim=True) + 1e-9)

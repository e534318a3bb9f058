"""The powerset loss and errors: sets of speakers as classes, with the best of all six speaker orders."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # its name everywhere

from services.trainer.segmentation.window_cache import UNKNOWN
from shared.engines.features.powerset import CLASSES, SPEAKS, VOICES

IGNORED = -100
ORDERS = tuple(permutations(range(VOICES)))


def _classes() -> np.ndarray:  # (order, label)
    """The class of every label for each order of the speakers."""
    found = np.full((len(ORDERS), 256), IGNORED, dtype=np.int64)
    for row, order in enumerate(ORDERS):
        for number, members in enumerate(CLASSES):
            found[row, sum(1 << order[voice] for voice in members)] = number
    return found


CLASS_OF = torch.from_numpy(_classes())


def powerset_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Permutation-invariant cross-entropy: the best order of each window; labels (window, decision) are bits."""
    targets = CLASS_OF.to(logits.device)[:, labels.long()].transpose(0, 1)  # (window, order, decision)
    known = targets[:, 0] != IGNORED
    scores = F.log_softmax(logits.float(), dim=-1)  # (window, decision, class)
    chosen = scores.gather(2, targets.clamp_min(0).transpose(1, 2))  # (window, decision, order)
    by_order = -(chosen * known[:, :, None]).sum(1)  # (window, order)
    return by_order.min(1).values.sum() / known.sum().clamp_min(1)


def errors(logits: np.ndarray, labels: np.ndarray) -> dict[str, int]:
    """The numbers of missed, false and confused decisions of a window under the best order of its speakers."""
    known = labels != UNKNOWN
    predicted = SPEAKS[logits.argmax(-1)].astype(bool) & known[:, None]  # (decision, voice)
    true = ((labels[:, None] >> np.arange(VOICES)) & 1).astype(bool) & known[:, None]
    right = max(int((predicted & true[:, list(order)]).sum()) for order in ORDERS)
    many, wanted = predicted.sum(1), true.sum(1)
    return {
        "total": int(wanted.sum()),
        "missed": int(np.maximum(wanted - many, 0).sum()),
        "alarmed": int(np.maximum(many - wanted, 0).sum()),
        "confused": int(np.minimum(many, wanted).sum()) - right,
        "two_right": int(((many == 2) & (wanted == 2)).sum()),
        "two_said": int((many == 2).sum()),
        "two_true": int((wanted == 2).sum()),
    }


def rates_of(counted: dict[str, int]) -> dict[str, float]:
    """Error shares of the speech; precision and recall of overlap."""
    total = max(1, counted["total"])
    parts = {name: round(counted[name] / total, 4) for name in ("missed", "alarmed", "confused")}
    return {
        "local_der": round(sum(counted[name] for name in ("missed", "alarmed", "confused")) / total, 4),
        **parts,
        "overlap_precision": round(counted["two_right"] / max(1, counted["two_said"]), 4),
        "overlap_recall": round(counted["two_right"] / max(1, counted["two_true"]), 4),
    }

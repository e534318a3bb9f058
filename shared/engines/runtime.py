"""ONNX Runtime sessions, all made the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

onnxruntime.set_default_logger_severity(4)  # fatal: its errors are exceptions too, and its lines are none of our log


def open_session(weights: Path, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # The arena keeps the largest batch it ever saw; without it memory stays flat over hours of recording.
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])

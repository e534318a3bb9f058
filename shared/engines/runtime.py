"""Opens ONNX Runtime sessions with the same options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

onnxruntime.set_default_logger_severity(
    4
)  # fatal: errors are also raised as exceptions, and its lines must stay out of the log


def open_session(weights: Path, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # The arena keeps the memory of its largest batch; without it memory use stays constant over hours of recording.
    options.enable_cpu_mem_arena = False
    # Threads that wait actively cost a fifth of the CPU and gain nothing where several processes share the cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])

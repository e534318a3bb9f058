"""Small ONNX networks with random weights and the interface of published ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto, helper, numpy_helper

SPEAKER_METADATA = {"sample_rate": "16000", "language": "English", "output_dim": "24"}
SEGMENTATION_METADATA = {
    "num_speakers": "3",
    "powerset_max_classes": "2",
    "num_classes": "7",
    "sample_rate": "16000",
    "window_size": "160000",
    "receptive_field_size": "991",
    "receptive_field_shift": "270",
}


def network(
    nodes: Sequence[object],
    given: Sequence[tuple[str, Sequence[object]]],
    returned: tuple[str, Sequence[object]],
    weights: dict[str, np.ndarray],
    metadata: dict[str, str],
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in given],
        [helper.make_tensor_value_info(returned[0], TensorProto.FLOAT, returned[1])],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(made, metadata)
    return bytes(made.SerializeToString())


def speaker_network(metadata: dict[str, str], *, bands: int = 80, size: int = 24, inputs: int = 1) -> bytes:
    """The mean magnitude of every band, projected to a vector."""
    nodes = [
        helper.make_node("Abs", ["feats"], ["magnitude"]),
        helper.make_node("ReduceMean", ["magnitude"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "projection"], ["embs"]),
    ]
    given = [(name, ["B", "T", bands]) for name in ("feats", "more")[:inputs]]
    projection = np.random.default_rng(0).normal(size=(bands, size))
    return network(nodes, given, ("embs", ["B", size]), {"projection": projection}, metadata)


def segmentation_network(metadata: dict[str, str], *, classes: int = 7) -> bytes:
    """The first voice speaks where the middle of a frame is loud; otherwise nobody does."""
    kernel = np.zeros((classes, 1, 991))
    kernel[1, 0, 360:630] = 1.0
    bias = np.where(np.arange(classes) == 0, 10.0, np.where(np.arange(classes) == 1, 0.0, -10.0))
    nodes = [
        helper.make_node("Abs", ["x"], ["magnitude"]),
        helper.make_node("Conv", ["magnitude", "kernel", "bias"], ["frames"], strides=[270]),
        helper.make_node("Transpose", ["frames"], ["logits"], perm=[0, 2, 1]),
        helper.make_node("LogSoftmax", ["logits"], ["y"], axis=-1),
    ]
    shape: list[object] = ["N", "frames", classes]
    return network(nodes, [("x", ["N", 1, "T"])], ("y", shape), {"kernel": kernel, "bias": bias}, metadata)


PUBLISHED = {
    "wespeaker": speaker_network({**SPEAKER_METADATA, "framework": "wespeaker", "normalize_samples": "0"}),
    "campplus": speaker_network(
        {
            **SPEAKER_METADATA,
            "framework": "3d-speaker",
            "normalize_samples": "1",
            "feature_normalize_type": "global-mean",
        }
    ),
    "pyannote-3": segmentation_network(SEGMENTATION_METADATA),
}

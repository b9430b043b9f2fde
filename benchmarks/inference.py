"""Inference: plans of `ag.compile` against ONNX Runtime and PyTorch's eager mode.

python benchmarks/inference.py --threads 2 --only LeNet

Needs torch, onnx and onnxruntime. The networks are those of compiled.py, in eval mode; ONNX Runtime
gets what torch.onnx makes of them, and optimises it as far as it can.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Mapping
from typing import Any

import compiled
import turns


def onnx_session(net: Any, x: Any) -> Any:
    """The ONNX Runtime session of a PyTorch network."""
    import onnxruntime
    import torch

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (x,), file, input_names=["x"], dynamo=False)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ["OMP_NUM_THREADS"])
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(
        file.getvalue(), options, providers=["CPUExecutionProvider"]
    )


def rows_of(name: str) -> Mapping[str, turns.Row]:
    side = compiled.Side("compiled" if name == "compiled" else "torch")

    def row(make: Any, shape: tuple[int, ...]) -> turns.Work:
        net = make(side.lib.nn).eval()
        x = side.lib.randn(*shape)
        if name == "onnxruntime":
            session, array = onnx_session(net, x), x.numpy()
            return lambda: session.run(None, {"x": array})
        run = side.compile(lambda x: net(x))

        def work() -> None:
            with side.lib.no_grad():
                run(x)

        return work

    rows: dict[str, turns.Row] = {}
    for what, (make, shape, _) in compiled.NETWORKS.items():
        for batch in (shape[0], 1):
            network = what.split(", batch")[0].rsplit(", 32x32", 1)[0]
            rows[f"{network}, batch {batch}"] = lambda m=make, s=(batch, *shape[1:]): row(m, s)
    return rows


if __name__ == "__main__":
    peers = [module for module in ("onnxruntime", "torch") if turns.installed(module)]
    turns.main(__doc__ or "", rows_of, ["compiled", *peers], compiled.report)

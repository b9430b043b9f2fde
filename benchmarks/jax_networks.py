"""The fully connected networks of compiled.py in JAX: a training step under jax.jit."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import turns


def rows(networks: Mapping[str, Any]) -> dict[str, turns.Row]:
    """The rows that are fully connected: sizes and batch are in their names."""
    found: dict[str, turns.Row] = {}
    for what, (_, shape, optimizer) in networks.items():
        sizes = what.split(",")[0].split("-")
        if not all(map(str.isdigit, sizes)):
            continue
        layers = list(map(int, sizes))
        found[f"train {what}"] = lambda n=layers, b=shape[0], o=optimizer: _training(n, b, o)
        found[f"infer {what.rsplit(', ', 1)[0]}"] = lambda n=layers, b=shape[0]: _inference(n, b)
    return found


def _weights(sizes: list[int]) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    return [
        (
            jnp.asarray(rng.uniform(-1, 1, (n, m)) / np.sqrt(n), jnp.float32),
            jnp.zeros(m, jnp.float32),
        )
        for n, m in pairwise(sizes)
    ]


def _outputs(weights: Any, x: Any) -> Any:
    for w, b in weights[:-1]:
        x = jax.nn.relu(x @ w + b)
    w, b = weights[-1]
    return x @ w + b


def _loss(weights: Any, x: Any, y: Any) -> Any:
    log_shares = jax.nn.log_softmax(_outputs(weights, x))
    return -jnp.take_along_axis(log_shares, y[:, None], axis=1).mean()


def _sgd(p: Any, g: Any, state: Any, count: Any) -> Any:
    moved = 0.9 * state[0] + g
    return p - 0.01 * moved, (moved,)


def _adam(p: Any, g: Any, state: Any, count: Any) -> Any:
    mean, square = 0.9 * state[0] + 0.1 * g, 0.999 * state[1] + 0.001 * g * g
    step = mean / (1 - 0.9**count) / (jnp.sqrt(square / (1 - 0.999**count)) + 1e-8)
    return p - 0.001 * step, (mean, square)


def _training(sizes: list[int], batch: int, optimizer: str) -> turns.Work:
    update, kept = (_sgd, 1) if optimizer == "SGD" else (_adam, 2)

    def step(weights: Any, state: Any, count: Any, x: Any, y: Any) -> Any:
        loss, slopes = jax.value_and_grad(_loss)(weights, x, y)
        flat, tree = jax.tree_util.tree_flatten(weights)
        pairs = [
            update(p, g, s, count + 1)
            for p, g, s in zip(flat, jax.tree_util.tree_leaves(slopes), state, strict=True)
        ]
        return loss, tree.unflatten([p for p, _ in pairs]), [s for _, s in pairs], count + 1

    compiled = jax.jit(step, donate_argnums=(0, 1, 2))
    weights = _weights(sizes)
    state = [(jnp.zeros_like(p),) * kept for p in jax.tree_util.tree_leaves(weights)]
    state = jax.tree_util.tree_map(jnp.array, state)  # each its own memory, to be donated
    x, y = _batch(sizes, batch)
    held = [weights, state, jnp.zeros((), jnp.float32)]

    def work() -> None:
        loss, *held[:] = compiled(*held, x, y)
        loss.block_until_ready()

    return work


def _inference(sizes: list[int], batch: int) -> turns.Work:
    compiled, weights = jax.jit(_outputs), _weights(sizes)
    x, _ = _batch(sizes, batch)
    return lambda: compiled(weights, x).block_until_ready()


def _batch(sizes: list[int], batch: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((batch, sizes[0]), np.float32)
    return jnp.asarray(x), jnp.asarray(rng.integers(0, 2, batch), jnp.int32)

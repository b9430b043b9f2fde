"""Embedding, attention, transformer and recurrent layers beside PyTorch's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_nn_twins import twins

import pyautograd as ag

nn = ag.nn


def tensors(library: Any, arrays: list[Any]) -> list[Any]:
    made = [library.tensor(a) for a in arrays]
    for t in made:
        if a_float(t):
            t.requires_grad_()
    return made


def a_float(t: Any) -> bool:
    return t.is_floating_point()  # type: ignore[no-any-return]


def flat(tree: Any) -> list[Any]:
    if isinstance(tree, (tuple, list)):
        return [x for part in tree for x in flat(part)]
    return [] if tree is None else [tree]


def weights(y: Any) -> Any:
    return np.cos(np.arange(float(y.numel()))).reshape(tuple(y.shape))


def agree(
    make: Callable[[Any], Any], call: Callable[..., Any], arrays: list[Any], atol: float = 1e-11
) -> None:
    """Text, keys, results, and gradients of inputs and parameters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch, theirs, ours = twins(make)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    results, gradients = [], []
    for library, module in ((torch, theirs), (ag, ours)):
        inputs = tensors(library, arrays)
        outputs = flat(call(module, *inputs))
        sum((y * library.tensor(weights(y))).sum() for y in outputs).backward()
        results.append(outputs)
        gradients.append(
            [t.grad for t in inputs if a_float(t)] + [p.grad for p in module.parameters()]
        )
    assert len(results[0]) == len(results[1])
    for want, got in zip(results[0] + gradients[0], results[1] + gradients[1], strict=True):
        assert (want is None) == (got is None)
        if want is not None:
            assert tuple(want.shape) == tuple(got.shape)
            want = want.detach().numpy()
            np.testing.assert_allclose(got.detach().numpy(), want, rtol=1e-6, atol=atol)


# ---- embedding -----------------------------------------------------------------------------------


@pytest.mark.parametrize("padding", [None, 0, -1])
def test_embedding(padding: int | None) -> None:
    make = lambda nn: nn.Embedding(6, 4, padding)  # noqa: E731
    agree(make, lambda m, i: m(i), [np.array([[0, 5, 2], [2, 0, 0]])])
    torch = pytest.importorskip("torch")
    assert repr(make(nn)) == repr(make(torch.nn))


def test_embedding_padding_is_zero_at_first() -> None:
    layer = nn.Embedding(4, 3, padding_idx=-1)
    assert layer.padding_idx == 3
    assert not layer.weight[3].detach().numpy().any()
    assert layer.weight.is_leaf


def test_embedding_from_pretrained() -> None:
    table = ag.arange(6.0).reshape(3, 2)
    layer = nn.Embedding.from_pretrained(table)
    assert not layer.weight.requires_grad
    np.testing.assert_array_equal(layer(ag.tensor([2])).numpy(), [[4, 5]])
    assert nn.Embedding.from_pretrained(table, freeze=False).weight.requires_grad


# ---- attention -----------------------------------------------------------------------------------


def drawn(*shapes: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(3)
    return [rng.standard_normal(s) for s in shapes]


CAUSAL = np.triu(np.ones((3, 3), bool), 1)
PADDING = np.array([[False, False, True], [False, True, False]])
ATTENTION: list[tuple[dict[str, Any], list[tuple[int, ...]], dict[str, Any]]] = [
    ({}, [(3, 2, 4), (5, 2, 4), (5, 2, 4)], {}),
    ({"batch_first": True}, [(2, 3, 4), (2, 5, 4), (2, 5, 4)], {}),
    ({"bias": False}, [(3, 4), (5, 4), (5, 4)], {}),
    ({"kdim": 3, "vdim": 6}, [(3, 2, 4), (5, 2, 3), (5, 2, 6)], {}),
    ({}, [(3, 2, 4)] * 3, {"attn_mask": CAUSAL}),
    ({}, [(3, 2, 4)] * 3, {"attn_mask": CAUSAL * -2.0}),
    ({}, [(3, 2, 4)] * 3, {"key_padding_mask": PADDING}),
    ({}, [(3, 2, 4)] * 3, {"attn_mask": np.broadcast_to(CAUSAL, (4, 3, 3)).copy(),
                           "average_attn_weights": False}),
    ({}, [(3, 2, 4)] * 3, {"need_weights": False, "attn_mask": CAUSAL}),
    ({"add_bias_kv": True}, [(3, 2, 4), (5, 2, 4), (5, 2, 4)], {}),
    ({"add_zero_attn": True}, [(3, 2, 4)] * 3, {"attn_mask": CAUSAL}),
]  # fmt: skip


@pytest.mark.parametrize(("options", "shapes", "masks"), ATTENTION)
def test_attention(options: Any, shapes: Any, masks: Any) -> None:
    def call(module: Any, *inputs: Any) -> Any:
        library = ag if isinstance(module, nn.Module) else pytest.importorskip("torch")
        given = {k: library.tensor(v) if isinstance(v, np.ndarray) else v for k, v in masks.items()}
        return module(*inputs, **given)

    agree(lambda nn: nn.MultiheadAttention(4, 2, **options), call, drawn(*shapes))


def test_self_attention_takes_one_product() -> None:
    agree(lambda nn: nn.MultiheadAttention(4, 2), lambda m, x: m(x, x, x), drawn((3, 2, 4)))


def test_attention_dropout_zeroes_weights() -> None:
    ag.manual_seed(0)
    layer = nn.MultiheadAttention(4, 1, dropout=0.5)
    x = ag.randn(50, 1, 4)
    assert (layer(x, x, x)[1].detach().numpy() == 0).mean() == pytest.approx(0.5, abs=0.1)
    assert (layer.eval()(x, x, x)[1].detach().numpy() > 0).all()


@pytest.mark.parametrize(
    "options",
    [{}, {"norm_first": True}, {"activation": "gelu", "batch_first": True}, {"bias": False}],
)
def test_encoder_layer(options: Any) -> None:
    make = lambda nn: nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, **options)  # noqa: E731
    agree(make, lambda m, x: m(x), drawn((3, 2, 4)))


def test_encoder() -> None:
    def make(nn: Any) -> Any:
        layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0)
        return nn.TransformerEncoder(layer, 2, nn.LayerNorm(4))

    def call(module: Any, x: Any) -> Any:
        library = ag if isinstance(module, nn.Module) else pytest.importorskip("torch")
        return module(x, mask=library.tensor(CAUSAL), src_key_padding_mask=library.tensor(PADDING))

    agree(make, call, drawn((3, 2, 4)))


# ---- recurrent layers ----------------------------------------------------------------------------

CELLS = [
    lambda nn: nn.RNNCell(3, 2),
    lambda nn: nn.RNNCell(3, 2, bias=False, nonlinearity="relu"),
    lambda nn: nn.GRUCell(3, 2),
    lambda nn: nn.GRUCell(3, 2, False),
]


@pytest.mark.parametrize("make", CELLS)
def test_cells(make: Callable[[Any], Any]) -> None:
    agree(make, lambda m, x, h: m(x, h), drawn((4, 3), (4, 2)))
    agree(make, lambda m, x: m(x), drawn((3,)))


def test_lstm_cell() -> None:
    agree(lambda nn: nn.LSTMCell(3, 2), lambda m, x, h, c: m(x, (h, c)),
          drawn((4, 3), (4, 2), (4, 2)))  # fmt: skip
    agree(lambda nn: nn.LSTMCell(3, 2, bias=False), lambda m, x: m(x), drawn((4, 3)))


OPTIONS = [
    {}, {"num_layers": 2}, {"bidirectional": True, "num_layers": 2}, {"bias": False},
    {"batch_first": True}, {"bidirectional": True},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_layers(name: str, options: Any) -> None:
    make = lambda nn: getattr(nn, name)(3, 4, **options)  # noqa: E731
    agree(make, lambda m, x: m(x), drawn((5, 2, 3)))
    agree(make, lambda m, x: m(x), drawn((5, 3)))
    torch = pytest.importorskip("torch")
    assert repr(make(nn)) == repr(make(torch.nn))


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_first_state(name: str, single: bool) -> None:
    n = () if single else (2,)
    states = [(4, *n, 4)] * (2 if name == "LSTM" else 1)

    def call(module: Any, x: Any, *hx: Any) -> Any:
        return module(x, hx if name == "LSTM" else hx[0])

    agree(lambda nn: getattr(nn, name)(3, 4, 2, bidirectional=True), call,
          drawn((5, *n, 3), *states))  # fmt: skip


def test_lstm_projection() -> None:
    agree(lambda nn: nn.LSTM(3, 4, 2, proj_size=2, bidirectional=True), lambda m, x: m(x),
          drawn((5, 2, 3)))  # fmt: skip
    agree(lambda nn: nn.RNN(3, 4, nonlinearity="relu"), lambda m, x: m(x), drawn((5, 2, 3)))


# ---- errors --------------------------------------------------------------------------------------

x = ag.zeros(3, 2, 4)


@pytest.mark.parametrize(
    ("run", "error", "text"),
    [
        (lambda: nn.Embedding(3, 2, 3), ValueError, "padding_idx 3 is no row of 3"),
        (lambda: nn.Embedding(3, 2)(ag.tensor([3])), IndexError, "embedding: row 3 .* 3 rows"),
        (lambda: nn.Embedding(3, 2)(ag.tensor([-1])), IndexError, "embedding: row -1"),
        (lambda: nn.Embedding(3, 2)(ag.zeros(1)), TypeError, "embedding: .*float32"),
        (lambda: nn.Embedding.from_pretrained(ag.zeros(3)), ValueError, r"\(3,\)"),
        (lambda: nn.MultiheadAttention(4, 3), ValueError, "4 does not divide into 3 heads"),
        (lambda: nn.MultiheadAttention(4, 2)(x, x, ag.zeros(2, 2, 4)), ValueError, r"\(2, 2, 4\)"),
        (lambda: nn.MultiheadAttention(4, 2)(x, x, x, is_causal=True), ValueError, "attn_mask"),
        (lambda: nn.MultiheadAttention(4, 2)(x, x, x, attn_mask=ag.zeros(2, 2)), ValueError,
         r"attn_mask .*\(3, 3\).*\(2, 2\)"),
        (lambda: nn.MultiheadAttention(4, 2)(x, x, x, ag.zeros(3, 3)), ValueError,
         r"key_padding_mask of shape \(2, 3\)"),
        (lambda: nn.MultiheadAttention(4, 2)(x, x, x, attn_mask=ag.tensor([1])), TypeError,
         "bool or float32, got int64"),
        (lambda: nn.TransformerEncoderLayer(4, 2, activation="silu"), ValueError, "silu"),
        (lambda: nn.functional.scaled_dot_product_attention(x, ag.zeros(3, 2, 5), x), ValueError,
         r"\(3, 2, 5\)"),
        (lambda: nn.functional.scaled_dot_product_attention(x, x, ag.zeros(3, 3, 4)), ValueError,
         "2 keys and 3 values"),
        (lambda: nn.functional.scaled_dot_product_attention(x, x, x, ag.zeros(2, 2), 0.0, True),
         ValueError, "is_causal"),
        (lambda: nn.functional.scaled_dot_product_attention(x, x, x, ag.zeros(3, 3)), ValueError,
         r"\(3, 3\)"),
        (lambda: nn.RNN(3, 4, nonlinearity="sin"), ValueError, "RNN: .*'sin'"),
        (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "proj_size"),
        (lambda: nn.GRU(3, 4, proj_size=2), ValueError, "proj_size"),
        (lambda: nn.GRU(3, 4, 0), ValueError, "num_layers=0"),
        (lambda: nn.GRU(3, 4)(x), ValueError, r"GRU: .*3 features.*\(3, 2, 4\)"),
        (lambda: nn.GRU(4, 4)(x[:0]), ValueError, "0 steps"),
        (lambda: nn.GRU(4, 5)(x, ag.zeros(1, 2, 4)), ValueError, r"h_0 .*\(1, 2, 5\)"),
        (lambda: nn.LSTMCell(4, 5)(ag.zeros(2, 3)), ValueError, r"LSTMCell: .*\(2, 3\)"),
        (lambda: nn.LSTMCell(4, 5)(ag.zeros(2, 4), (ag.zeros(2, 5), ag.zeros(2, 4))), ValueError,
         r"c of shape \(2, 5\)"),
    ],
)  # fmt: skip
def test_errors(run: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        run()


def test_channel_dropout() -> None:
    ag.manual_seed(1)
    for module, shape in ((nn.Dropout1d, (40, 50, 3)), (nn.Dropout2d, (40, 50, 2, 3)),
                          (nn.Dropout3d, (40, 50, 2, 1, 2))):  # fmt: skip
        y = module(0.25)(ag.ones(shape)).numpy().reshape(2000, -1)
        assert (y == y[:, :1]).all()
        assert (y[:, 0] == 0).mean() == pytest.approx(0.25, abs=0.04)
        assert module(0.25).eval()(ag.ones(shape)).numpy().all()
    with pytest.raises(ValueError, match="dropout2d"):
        nn.functional.dropout2d(ag.zeros(2, 2))

"""The transformer's decoder, and the whole, against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import nn


def follows(make: Any, arrays: list[Any], **options: Any) -> None:
    """The same values, gradients and keys with the same weights."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs, ours = make(torch.nn).double(), make(nn).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())

    def run(library: Any, module: Any) -> list[Any]:
        xs = [library.tensor(a, requires_grad=True) for a in arrays]
        given = {
            k: library.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()
        }
        out = module(*xs, **given)
        weights = np.cos(np.arange(out.numel())).reshape(tuple(out.shape))
        (out * library.tensor(weights)).sum().backward()
        return [out.detach(), *[x.grad for x in xs], *[p.grad for p in module.parameters()]]

    for got, want in zip(run(ag, ours), run(torch, theirs), strict=True):
        np.testing.assert_allclose(got.numpy(), want.numpy(), atol=1e-10)


def normal(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape)


AHEAD = np.triu(np.full((3, 3), -np.inf), 1)


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("batch_first", [False, True])
def test_decoder_layer(norm_first: bool, batch_first: bool) -> None:
    tgt, memory = (4, 3, 8), (4, 5, 8)
    if not batch_first:
        tgt, memory = (3, 4, 8), (5, 4, 8)
    padding = np.zeros((4, 5), bool)
    padding[1, 3:] = True
    follows(
        lambda nn: nn.TransformerDecoderLayer(
            8, 2, 16, 0.0, "gelu", 1e-3, batch_first, norm_first, bias=not norm_first
        ),
        [normal(*tgt), normal(*memory)],
        tgt_mask=AHEAD,
        memory_key_padding_mask=np.where(padding, -np.inf, 0.0),
        tgt_is_causal=True,
    )


def test_decoder() -> None:
    follows(
        lambda nn: nn.TransformerDecoder(
            nn.TransformerDecoderLayer(8, 2, 16, 0.0), 3, nn.LayerNorm(8)
        ),
        [normal(3, 8), normal(5, 8)],
    )


def test_transformer() -> None:
    follows(
        lambda nn: nn.Transformer(8, 2, 1, 2, 16, 0.0, batch_first=True),
        [normal(4, 5, 8), normal(4, 3, 8)],
        tgt_mask=AHEAD,
        src_key_padding_mask=np.array([[False] * 5, [False] * 3 + [True] * 2] * 2),
    )
    net = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    assert np.array_equal(net.generate_square_subsequent_mask(3).numpy(), AHEAD)
    assert all(p.abs().max() < 1.0 for p in net.parameters() if p.ndim > 1)
    with pytest.raises(ValueError, match="Transformer: expected src and tgt of as many samples"):
        net(ag.zeros(2, 5, 8), ag.zeros(3, 5, 8))
    with pytest.raises(ValueError, match="TransformerDecoderLayer: activation is relu or gelu"):
        nn.TransformerDecoderLayer(8, 2, activation="elu")


def test_compiled() -> None:
    ag.manual_seed(0)
    net = nn.Transformer(8, 2, 1, 1, 16, 0.0)
    mask = net.generate_square_subsequent_mask(3)
    x, y = ag.randn(5, 4, 8), ag.randn(3, 4, 8)
    compiled = ag.compile(lambda x, y: net(x, y, tgt_mask=mask))
    for _ in range(2):
        assert np.array_equal(compiled(x, y).detach(), net(x, y, tgt_mask=mask).detach())

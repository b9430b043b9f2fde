"""More modules against PyTorch's: pooling, borders, resampling, losses with margins, bags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_nn_twins import follows_pytorch

import pyautograd as ag
from pyautograd import nn

SEQUENCE, IMAGE, VOLUME = (2, 3, 9), (2, 4, 7, 6), (2, 3, 5, 4, 6)
LAYERS: list[tuple[tuple[int, ...], Callable[[Any], Any]]] = [
    (SEQUENCE, lambda nn: nn.MaxPool1d(3, 2, 1)),
    (SEQUENCE[1:], lambda nn: nn.MaxPool1d(2, ceil_mode=True)),
    (VOLUME, lambda nn: nn.MaxPool3d((1, 3, 2), 2, (0, 1, 1))),
    (VOLUME[1:], lambda nn: nn.MaxPool3d(2, dilation=(2, 1, 2))),
    (SEQUENCE, lambda nn: nn.AvgPool1d(3, 2, 1, True, False)),
    (SEQUENCE[1:], lambda nn: nn.AvgPool1d((2,))),
    (VOLUME, lambda nn: nn.AvgPool3d(3, 2, 1, count_include_pad=False)),
    (VOLUME[1:], lambda nn: nn.AvgPool3d(2, divisor_override=3)),
    (SEQUENCE, lambda nn: nn.AdaptiveAvgPool1d(4)),
    (VOLUME, lambda nn: nn.AdaptiveAvgPool3d((2, None, 5))),
    (SEQUENCE, lambda nn: nn.AdaptiveMaxPool1d(4)),
    (IMAGE, lambda nn: nn.AdaptiveMaxPool2d((3, None))),
    (IMAGE[1:], lambda nn: nn.AdaptiveMaxPool2d(9)),
    (VOLUME, lambda nn: nn.AdaptiveMaxPool3d((2, 3, 5))),
    (SEQUENCE, lambda nn: nn.LPPool1d(2, 3, 2)),
    (IMAGE, lambda nn: nn.LPPool2d(2, (2, 3), ceil_mode=True)),
    (IMAGE, lambda nn: nn.LPPool2d(float("inf"), 2)),
    *[
        (shape, lambda nn, name=f"{kind}Pad{dims}d", p=p: getattr(nn, name)(p))
        for kind in ("Zero", "Reflection", "Replication", "Circular")
        for dims, shape in ((1, SEQUENCE), (2, IMAGE), (2, IMAGE[1:]), (3, VOLUME))
        for p in (1, (1, 0, 2, 3, 0, 1)[: 2 * dims])
    ],
    (SEQUENCE, lambda nn: nn.ConstantPad1d((2, -1), 0.5)),
    (IMAGE, lambda nn: nn.ConstantPad2d(1, -2.0)),
    (VOLUME, lambda nn: nn.ConstantPad3d((0, 1, 2, 0, 1, 1), 3.0)),
    (IMAGE, lambda nn: nn.Upsample(scale_factor=2)),
    (IMAGE, lambda nn: nn.Upsample(scale_factor=(1.5, 2), mode="bilinear")),
    (IMAGE, lambda nn: nn.Upsample(size=(5, 9), mode="bicubic", align_corners=True)),
    (SEQUENCE, lambda nn: nn.Upsample(size=5, mode="linear")),
    (VOLUME, lambda nn: nn.Upsample(size=(4, 5, 3), mode="trilinear")),
    (IMAGE, lambda nn: nn.UpsamplingNearest2d(scale_factor=3)),
    (IMAGE, lambda nn: nn.UpsamplingBilinear2d(size=9)),
    (IMAGE, lambda nn: nn.PixelShuffle(2)),
    ((2, 3, 6, 9), lambda nn: nn.PixelUnshuffle(3)),
    (IMAGE, lambda nn: nn.ChannelShuffle(2)),
    (IMAGE, lambda nn: nn.Unfold((3, 2), 1, 1, 2)),
    ((2, 12, 12), lambda nn: nn.Fold((4, 5), 2)),
    (IMAGE, lambda nn: nn.LocalResponseNorm(3, 0.5)),
    (IMAGE, lambda nn: nn.RReLU().eval()),
    (IMAGE, lambda nn: nn.AlphaDropout(0.3).eval()),
    (IMAGE, lambda nn: nn.FeatureAlphaDropout().eval()),
]


@pytest.mark.parametrize(("shape", "make"), LAYERS)
def test_layers(shape: Any, make: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    follows_pytorch(shape, make, rng)
    assert repr(make(nn)) == repr(make(torch.nn))


def both(make: Any, arrays: list[Any], call: Any = lambda layer, *xs: layer(*xs)) -> None:
    """Values, gradients, keys and text agree, on several inputs."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    theirs, ours = make(torch.nn, torch.tensor).double(), make(nn, ag.tensor).double()
    assert repr(ours) == repr(theirs)
    ours.load_state_dict(theirs.state_dict())
    floats = [np.asarray(a).dtype.kind == "f" for a in arrays]
    xs = [ag.tensor(a).requires_grad_(f) for a, f in zip(arrays, floats, strict=True)]
    ys = [torch.tensor(a, requires_grad=f) for a, f in zip(arrays, floats, strict=True)]
    got, want = call(ours, *xs), call(theirs, *ys)
    assert got.shape == tuple(want.shape)
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), atol=1e-11)
    weights = np.cos(np.arange(got.numel())).reshape(got.shape)
    (got * ag.tensor(weights)).sum().backward()
    (want * torch.tensor(weights)).sum().backward()
    leaves = zip([*xs, *ours.parameters()], [*ys, *theirs.parameters()], strict=True)
    for x, y in leaves:
        if y.grad is not None:
            assert x.grad is not None
            np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), atol=1e-10)


def normal(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape)


SIGNS = np.array([1.0, -1.0, 1.0, -1.0, 1.0])
CLASSES = np.array([0, 2, 1, 1, 2])
PAIR, TRIPLE = [normal(5, 3), normal(5, 3) * 2], [normal(5, 3) * k for k in (1.0, 2.0, -1.0)]
SETS = np.array([[0, 2, -1], [1, -1, 0], [-1, 0, 1], [2, 1, 0], [0, -1, -1]])
COUNTS = np.array([[0, 3, 1], [2, 0, 5], [1, 1, 1], [4, 0, 2], [0, 0, 3]])
MANY: list[tuple[Callable[[Any, Any], Any], list[Any]]] = [
    (lambda nn, t: nn.Bilinear(3, 3, 4), PAIR),
    (lambda nn, t: nn.Bilinear(3, 3, 1, bias=False), [normal(2, 4, 3), normal(2, 4, 3)]),
    (lambda nn, t: nn.CosineSimilarity(), PAIR),
    (lambda nn, t: nn.PairwiseDistance(3.0, keepdim=True), PAIR),
    (lambda nn, t: nn.HingeEmbeddingLoss(0.5), [normal(5), SIGNS]),
    (lambda nn, t: nn.SoftMarginLoss(reduction="sum"), [normal(5), SIGNS.astype(int)]),
    (lambda nn, t: nn.MarginRankingLoss(0.3), [normal(5), normal(5) * 2, SIGNS]),
    (lambda nn, t: nn.CosineEmbeddingLoss(0.1, reduction="none"), [*PAIR, SIGNS]),
    (lambda nn, t: nn.TripletMarginLoss(2.0, p=1, swap=True), TRIPLE),
    (lambda nn, t: nn.TripletMarginWithDistanceLoss(margin=0.5), TRIPLE),
    (lambda nn, t: nn.MultiMarginLoss(2, 0.7, t([0.5, 2.0, 1.0])), [normal(5, 3), CLASSES]),
    (lambda nn, t: nn.MultiMarginLoss(), [normal(3), np.array(1)]),
    (lambda nn, t: nn.MultiLabelMarginLoss(), [normal(5, 3), SETS]),
    (lambda nn, t: nn.MultiLabelMarginLoss(reduction="none"), [normal(3), SETS[0]]),
    (lambda nn, t: nn.MultiLabelSoftMarginLoss(t([0.5, 2.0, 1.0])), [normal(5, 3), COUNTS % 2]),
    (lambda nn, t: nn.GaussianNLLLoss(full=True), [*PAIR, np.abs(normal(5))]),
    (lambda nn, t: nn.GaussianNLLLoss(eps=0.9), [*PAIR, np.abs(normal(5, 3))]),
    (lambda nn, t: nn.PoissonNLLLoss(full=True), [normal(5, 3), COUNTS]),
    (lambda nn, t: nn.PoissonNLLLoss(False), [np.abs(normal(5, 3)), COUNTS]),
    *[
        (lambda nn, t, m=mode: nn.EmbeddingBag(6, 4, mode=m), [CLASSES, np.array([0, 0, 3])])
        for mode in ("sum", "mean", "max")
    ],
    (lambda nn, t: nn.EmbeddingBag(6, 4, padding_idx=1), [COUNTS]),
    (
        lambda nn, t: nn.EmbeddingBag(6, 4, mode="max", include_last_offset=True),
        [CLASSES, np.array([0, 2, 5])],
    ),
]


@pytest.mark.parametrize(("make", "arrays"), MANY)
def test_layers_of_several_inputs(make: Any, arrays: list[Any]) -> None:
    both(make, arrays)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("zero", [False, True])
def test_ctc_loss(reduction: str, zero: bool) -> None:
    """Through log_softmax: PyTorch's gradient of it alone is not that of its values."""
    labels = np.array([[1, 2, 2], [3, 0, 0], [1, 1, 1]])
    frames, counts = np.array([7, 6, 5 if zero is False else 4]), np.array([3, 0, 3])
    both(
        lambda nn, t: nn.CTCLoss(reduction=reduction, zero_infinity=zero),
        [normal(7, 3, 5)],
        lambda loss, x: loss(x.log_softmax(2), *_like(x, labels, frames, counts)),
    )
    both(  # labels one after the other, one sample, another blank
        lambda nn, t: nn.CTCLoss(4, reduction=reduction),
        [normal(7, 5)],
        lambda loss, x: loss(
            x.log_softmax(1), *_like(x, np.array([0, 2, 2]), np.array(7), np.array(3))
        ),
    )


def _like(x: Any, *arrays: Any) -> list[Any]:
    if isinstance(x, ag.Tensor):
        return [ag.tensor(a) for a in arrays]
    torch = pytest.importorskip("torch")
    return [torch.tensor(a) for a in arrays]


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_unpooling(dims: int) -> None:
    torch = pytest.importorskip("torch")
    shape = (2, 3, 7, 6, 5)[: dims + 2]
    x = normal(*shape)

    def run(library: Any) -> list[Any]:
        pool = getattr(library.nn, f"MaxPool{dims}d")(3, 2, 1, return_indices=True)
        unpool = getattr(library.nn, f"MaxUnpool{dims}d")(3, 2, 1)
        values, places = pool(library.tensor(x))
        return [values, places, unpool(values, places, shape), repr(unpool)]

    for got, want in zip(run(ag), run(torch), strict=True):
        assert np.array_equal(got, want)


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("corners", [False, True])
def test_grid_sample(padding: str, corners: bool, rng: np.random.Generator) -> None:
    """Far outside too, and in modes that the table has no reference for."""
    torch = pytest.importorskip("torch")
    for mode, shape, places in (
        ("bilinear", (2, 3, 5, 4), (2, 6, 3, 2)),
        ("bicubic", (2, 3, 5, 4), (2, 6, 3, 2)),
        ("nearest", (2, 3, 5, 4), (2, 6, 3, 2)),
        ("bilinear", (2, 2, 3, 4, 5), (2, 2, 3, 4, 3)),
        ("nearest", (2, 2, 3, 4, 5), (2, 2, 3, 4, 3)),
        ("bilinear", (2, 20, 5, 4), (2, 9, 8, 2)),
        ("bicubic", (2, 20, 5, 4), (2, 9, 8, 2)),
        ("nearest", (2, 20, 5, 4), (2, 9, 8, 2)),
        ("bilinear", (4, 17, 3, 4, 5), (4, 2, 3, 4, 3)),
        ("bilinear", (1, 1, 1, 3), (1, 4, 2, 2)),
    ):
        data = rng.standard_normal(shape), rng.uniform(-2.7, 2.7, places)
        leaves = [[library.tensor(a, requires_grad=True) for a in data] for library in (ag, torch)]
        got = nn.functional.grid_sample(*leaves[0], mode, padding, corners)
        want = torch.nn.functional.grid_sample(*leaves[1], mode, padding, corners)
        np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), atol=1e-11)
        g = rng.standard_normal(got.shape)
        got.backward(ag.tensor(g))
        want.backward(torch.tensor(g))
        for x, y in zip(*leaves, strict=True):
            if x.grad is None:  # places have no slope
                assert not y.grad.any()
            else:
                np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), atol=1e-10)


def test_grid_sample_of_no_place() -> None:
    """NaN as in PyTorch: no value with zeros around the image, else that of a corner."""
    torch = pytest.importorskip("torch")
    x = np.arange(1.0, 13.0).reshape(1, 1, 3, 4)
    grid = np.array([[np.nan, np.nan], [0.1, np.nan], [0.2, 0.3]]).reshape(1, 1, 3, 2)
    for mode in ("bilinear", "nearest"):
        for padding in ("zeros", "border"):
            results = [
                library.nn.functional.grid_sample(
                    library.tensor(x), library.tensor(grid), mode, padding, False
                ).numpy()
                for library in (ag, torch)
            ]
            np.testing.assert_allclose(*results, rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_interpolate(dtype: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    sizes: tuple[dict[str, Any], ...] = (
        {"size": 1}, {"size": 4}, {"size": 13}, {"scale_factor": 3}, {"scale_factor": 0.6},
        {"scale_factor": 1.7}, {"scale_factor": 1.7, "recompute_scale_factor": True},
    )  # fmt: skip
    for shape, modes in (
        ((2, 3, 7), ("nearest", "nearest-exact", "area", "linear")),
        ((2, 3, 5, 8), ("nearest", "nearest-exact", "area", "bilinear", "bicubic")),
        ((1, 2, 3, 4, 5), ("nearest", "nearest-exact", "area", "trilinear")),
    ):
        x = rng.standard_normal(shape).astype(dtype)
        for mode in modes:
            weighted = "linear" in mode or "cubic" in mode
            for options in sizes:
                for corners in (False, True) if weighted else (None,):
                    for smooth in (False, True) if mode in ("bilinear", "bicubic") else (False,):
                        chosen = {**options, "mode": mode, "align_corners": corners}
                        chosen["antialias"] = smooth
                        got = nn.functional.interpolate(ag.tensor(x), **chosen)
                        want = torch.nn.functional.interpolate(torch.tensor(x), **chosen)
                        tol = 1e-5 if dtype == np.float32 else 1e-12
                        np.testing.assert_allclose(got.numpy(), want.numpy(), atol=tol)


def test_an_input_of_weight_0_does_not_count() -> None:
    """Nor does its NaN: each output here is an input, which its neighbour has no part in."""
    x = ag.tensor([[[[1.0, float("nan"), 3.0, 4.0, 5.0]]]])
    for mode in ("bilinear", "bicubic"):
        y = nn.functional.interpolate(x, (1, 9), mode=mode, align_corners=True)
        assert y[0, 0, 0, 2].isnan()
        assert y[0, 0, 0, [0, 4, 6, 8]].tolist() == [1, 3, 4, 5]


@pytest.mark.parametrize("shape", [(2, 3, 40), (2, 3, 9, 40), (2, 3, 4, 70)])
def test_adaptive_max_pool_takes_the_last_nan(shape: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    for share in (0.03, 0.5, 1.0):
        x = rng.integers(0, 3, shape).astype(np.float32)
        x[rng.random(shape) < share] = np.nan
        for size in (1, 3, 4, 17, 33):
            name = f"adaptive_max_pool{len(shape) - 2}d"
            pools = [
                getattr(library.nn.functional, name)(library.tensor(x), size, return_indices=True)
                for library in (ag, torch)
            ]
            for got, want in zip(*pools, strict=True):
                np.testing.assert_array_equal(got.numpy(), want.numpy())


def test_random_activations() -> None:
    ag.manual_seed(0)
    x = ag.randn(20_000)
    for layer in (nn.AlphaDropout(0.3), nn.FeatureAlphaDropout(0.3)):
        y = layer(x.reshape(-1, 1)).numpy()
        assert abs(y.mean()) < 0.05
        assert abs(y.std() - 1) < 0.05
        _, counts = np.unique(y, return_counts=True)
        assert abs(counts.max() / y.size - 0.3) < 0.02  # the value of what is dropped
    slopes = (nn.RReLU(0.2, 0.4)(x) / x)[x < 0].numpy()
    assert 0.2 <= slopes.min() < 0.21 < 0.39 < slopes.max() <= 0.4 + 1e-6
    assert (nn.RReLU()(x)[x > 0] == x[x > 0]).all()
    logits = ag.tensor([0.0, 1.0, -1.0], requires_grad=True)
    picks = nn.functional.gumbel_softmax(logits.expand(20_000, 3), hard=True)
    assert set(np.unique(picks.detach().numpy().round(5))) == {0.0, 1.0}
    share = picks.mean(dim=0).detach().numpy()
    np.testing.assert_allclose(share, logits.detach().softmax(0).numpy(), atol=0.02)
    picks[:, 0].sum().backward()
    assert logits.grad is not None
    assert logits.grad[0] > 0 > logits.grad[1]
    soft = nn.functional.gumbel_softmax(logits, tau=0.5)
    assert abs(soft.sum().item() - 1) < 1e-6


def test_errors() -> None:
    F = nn.functional
    x = ag.zeros(2, 3, 4, 4)
    with pytest.raises(ValueError, match=r"max_pool1d: expected input \(N, C, L\) or \(C, L\)"):
        F.max_pool1d(x, 2)
    with pytest.raises(ValueError, match=r"max_pool3d: a kernel of .* does not fit"):
        F.max_pool3d(ag.zeros(1, 1, 1, 4, 4), 2)
    with pytest.raises(ValueError, match="avg_pool3d: divisor_override must not be 0"):
        F.avg_pool3d(ag.zeros(1, 1, 2, 2, 2), 2, divisor_override=0)
    with pytest.raises(ValueError, match="adaptive_max_pool2d: expected output_size as an integer"):
        F.adaptive_max_pool2d(x, (1, 2, 3))
    with pytest.raises(ValueError, match="max_unpool2d: expected output_size nearer to"):
        F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2, output_size=(9, 4))
    with pytest.raises(ValueError, match="max_unpool2d: expected integers of the input's shape"):
        F.max_unpool2d(x, x, 2)
    with pytest.raises(IndexError, match="out of bounds"):
        F.max_unpool2d(x, ag.full((2, 3, 4, 4), 99), 1)
    with pytest.raises(ValueError, match="interpolate: expected either size or scale_factor"):
        F.interpolate(x)
    with pytest.raises(ValueError, match="interpolate: mode 'cubic' is none of"):
        F.interpolate(x, 2, mode="cubic")
    with pytest.raises(ValueError, match="interpolate: expected input of 3 dimensions for mode"):
        F.interpolate(x, 2, mode="linear")
    with pytest.raises(ValueError, match="pixel_shuffle: expected"):
        F.pixel_shuffle(x, 2)
    with pytest.raises(ValueError, match="grid_sample: expected input"):
        F.grid_sample(x, ag.zeros(1, 2, 2, 2))
    with pytest.raises(ValueError, match="ReflectionPad2d: expected padding as one number or 4"):
        nn.ReflectionPad2d((1, 2))
    with pytest.raises(ValueError, match="ReflectionPad1d: expected input of 2 or 3 dimensions"):
        nn.ReflectionPad1d(1)(x)
    with pytest.raises(ValueError, match="embedding_bag: expected offsets from 0 on"):
        F.embedding_bag(ag.tensor([0, 1]), ag.zeros(3, 2), ag.tensor([1]))
    with pytest.raises(ValueError, match="ctc_loss: labels are classes below 4 other than blank=0"):
        F.ctc_loss(ag.zeros(5, 1, 4), ag.tensor([[0, 1]]), [5], [2])
    with pytest.raises(ValueError, match="ctc_loss: expected input_lengths from 1 to 5"):
        F.ctc_loss(ag.zeros(5, 1, 4), ag.tensor([[2, 1]]), [6], [2])
    with pytest.raises(IndexError):
        F.multi_margin_loss(ag.zeros(2, 3), ag.tensor([0, 3]))
    with pytest.raises(ValueError, match="gaussian_nll_loss: var has negative values"):
        F.gaussian_nll_loss(ag.zeros(2), ag.zeros(2), ag.tensor([1.0, -1.0]))
    with pytest.raises(ValueError, match="TripletMarginLoss: reduction is mean, sum or none"):
        nn.TripletMarginLoss(reduction="max")


def test_in_place_activations() -> None:
    torch = pytest.importorskip("torch")
    data = normal(3, 4)
    for name, args in (
        ("relu_", ()), ("celu_", (0.5,)), ("elu_", ()), ("hardtanh_", (-0.3, 0.4)),
        ("leaky_relu_", (0.2,)), ("rrelu_", ()), ("selu_", ()), ("threshold_", (0.1, -2.0)),
    ):  # fmt: skip
        x, y = ag.tensor(data, requires_grad=True), torch.tensor(data, requires_grad=True)
        changed, wanted = x * 1.5, y * 1.5
        assert getattr(nn.functional, name)(changed, *args) is changed
        getattr(torch.nn.functional, name)(wanted, *args)
        np.testing.assert_allclose(changed.detach().numpy(), wanted.detach().numpy(), atol=1e-12)
        changed.square().sum().backward()
        wanted.square().sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), atol=1e-12)
    z = ag.tensor(data)
    assert nn.functional.relu(z, inplace=True) is z
    assert z.min() == 0
    for function in ("dropout", "dropout1d", "alpha_dropout", "rrelu", "leaky_relu", "selu"):
        getattr(nn.functional, function)(ag.tensor(data), inplace=True)

"""gradcheck accepts right rules and catches wrong ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pyautograd as ag
from pyautograd import tape
from pyautograd.autograd import gradcheck, gradgradcheck
from pyautograd.gradcheck import GradcheckError
from pyautograd.op import OPS, primitive


@pytest.fixture
def define() -> Iterator[Callable[..., Any]]:
    """define(forward, rule): an op of one input for the time of a test."""
    names = []

    def make(forward: Callable[..., Any], rule: Callable[..., Any], **options: Any) -> Any:
        names.append(f"throwaway_{len(names)}")
        infer = lambda x: (x.shape, x.dtype)  # noqa: E731
        return primitive(names[-1], "elementwise", forward, rule, infer, saves=(0,), **options)

    yield make
    for name in names:
        del OPS[name]
        delattr(tape.arrays, name)
        delattr(tape.tensors, name)


@pytest.fixture
def x(rng: np.random.Generator) -> ag.Tensor:
    return ag.tensor(rng.uniform(0.5, 2.0, (2, 3)), requires_grad=True)


def test_right_rules_pass(define: Any, x: ag.Tensor) -> None:
    cube = define(
        lambda x: x**3, lambda K, g, saved, needs: (K.mul(g, K.mul(K.pow(saved[0], 2), 3.0)),)
    )
    before = x.numpy(force=True).copy()
    assert gradcheck(cube, x) is True
    assert gradgradcheck(cube, [x]) is True
    np.testing.assert_array_equal(x.numpy(force=True), before)
    assert x.grad is None


def test_a_wrong_factor(define: Any, x: ag.Tensor) -> None:
    double = define(lambda x: 2 * x, lambda K, g, saved, needs: (K.mul(g, 2.01),))
    with pytest.raises(GradcheckError) as error:
        gradcheck(double, x)
    text = str(error.value)
    for part in ("output 0", "input 0", "backward gives 2.01", "differences give 2", "6 of 36"):
        assert part in text
    assert gradcheck(double, x, raise_exception=False) is False
    assert gradcheck(double, x, atol=0.02)
    assert gradcheck(double, x, rtol=0.02)


def test_the_place_is_named(define: Any) -> None:
    def rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
        g = g.copy()
        g[1, 2] *= 3
        return (g,)

    same = define(lambda x: x.copy(), rule)
    with pytest.raises(GradcheckError, match=r"1 of 36 places.*\(1, 2\).*\(1, 2\).*3.*1"):
        gradcheck(same, ag.ones(2, 3, dtype=ag.float64, requires_grad=True))


def test_a_wrong_sign_in_one_of_two_inputs(define: Any, x: ag.Tensor) -> None:
    sub = define(
        lambda a, b: a - b, lambda K, g, saved, needs: (g, g), inputs=2
    )  # the second should be -g
    y = ag.tensor(x.numpy(force=True) + 1, requires_grad=True)
    with pytest.raises(GradcheckError, match="output 0 with respect to input 1"):
        gradcheck(sub, (x, y))
    with pytest.raises(GradcheckError, match="output 1 with respect to input 1"):
        gradcheck(lambda a, b: (a * b, sub(a, b)), (x, y))


def test_a_term_missing_at_second_order(define: Any, x: ag.Tensor) -> None:
    """The rule of x^3 is right in value, but hides its dependence on x from the tape."""

    def rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
        slope = saved[0].detach() if isinstance(saved[0], ag.Tensor) else saved[0]
        return (K.mul(g, K.mul(K.mul(slope, slope), 3.0)),)

    cube = define(lambda x: x**3, rule)
    assert gradcheck(cube, x)
    with pytest.raises(GradcheckError, match="output 0 with respect to input 0"):
        gradgradcheck(cube, x)
    assert not gradgradcheck(cube, x, raise_exception=False)


def test_a_rule_that_changes_from_run_to_run(define: Any, x: ag.Tensor) -> None:
    calls = []

    def rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
        calls.append(1)
        return (K.mul(g, 1.0 + 1e-9 * len(calls)),)

    same = define(lambda x: x.copy(), rule)
    with pytest.raises(GradcheckError, match=r"not deterministic.*input 0"):
        gradcheck(same, x)
    assert gradcheck(same, x, nondet_tol=1e-6)


def test_a_gradient_of_the_wrong_shape(define: Any, x: ag.Tensor) -> None:
    total = define(lambda x: x.copy(), lambda K, g, saved, needs: (K.sum(g, (0,), False, 1.0),))
    with pytest.raises(GradcheckError, match=r"shape \(3,\).*expected.*\(2, 3\)"):
        gradcheck(total, x)


def test_a_gradient_of_the_wrong_dtype(define: Any, x: ag.Tensor) -> None:
    same = define(lambda x: x.copy(), lambda K, g, saved, needs: (np.asarray(g, np.float32),))
    with pytest.raises(GradcheckError, match=r"dtype float32.*expected.*float64"):
        gradcheck(same, x)


def test_a_missing_gradient(define: Any, x: ag.Tensor) -> None:
    same = define(lambda x: x.copy(), lambda K, g, saved, needs: (None,))
    with pytest.raises(GradcheckError, match="backward gives 0, differences give 1"):
        gradcheck(same, x)
    with pytest.raises(GradcheckError, match="backward gives 0"):  # no output has a gradient
        gradcheck(lambda x: x.detach() * 2, x)


def test_nan_is_an_error(define: Any, x: ag.Tensor) -> None:
    same = define(lambda x: x.copy(), lambda K, g, saved, needs: (K.mul(g, float("nan")),))
    with pytest.raises(GradcheckError, match="backward gives nan"):
        gradcheck(same, x)


def test_outputs_without_a_gradient_are_passed_over(x: ag.Tensor) -> None:
    assert gradcheck(lambda x: (x.argmax(), x * 2, x > 1), x)
    assert gradcheck(lambda x: x.max(1), x)


def test_inputs_reached_by_a_closure(x: ag.Tensor) -> None:
    w = ag.tensor([1.0, -2.0, 0.5], dtype=ag.float64, requires_grad=True)
    assert gradcheck(lambda *_: (x * w).tanh(), (x, w))


def test_other_arguments_are_handed_on(x: ag.Tensor) -> None:
    index = ag.tensor([[0], [1]])
    assert gradcheck(lambda x, i, n: x.gather(1, i) ** n, (x, index, 3))
    assert gradgradcheck(lambda x, i, n: x.gather(1, i) ** n, (x, index, 3))


def test_grad_outputs(x: ag.Tensor) -> None:
    v = ag.ones(2, 3, dtype=ag.float64, requires_grad=True)
    assert gradgradcheck(lambda x: x.exp(), x, v)
    assert gradgradcheck(lambda x: (x.exp(), x * x), x, (v, v))
    assert gradgradcheck(lambda x: x.exp(), x, gen_non_contig_grad_outputs=True)
    with pytest.raises(ValueError, match="1 grad_outputs for 2 outputs"):
        gradgradcheck(lambda x: (x.exp(), x * x), x, v)


def test_inputs_must_be_float64(x: ag.Tensor) -> None:
    y = ag.ones(2, requires_grad=True)
    for check in (gradcheck, gradgradcheck):
        with pytest.raises(TypeError, match=f"{check.__name__}: input 1 is float32.*float64"):
            check(lambda x, y: x.sum() + y.sum(), (x, y))
        with pytest.raises(ValueError, match="no input requires a gradient"):
            check(lambda x: x, x.detach())


def test_inputs_whose_elements_share_memory(x: ag.Tensor) -> None:
    wide = x[0].detach().expand(2, 3).requires_grad_()
    with pytest.raises(ValueError, match=r"input 0 of shape \(2, 3\) is an expanded view.*clone"):
        gradcheck(lambda x: x * 2, wide)
    array = np.ones(2)
    array.flags.writeable = False
    with pytest.raises(ValueError, match=r"input 0.*read-only"):
        gradcheck(lambda x: x * 2, ag.from_numpy(array).requires_grad_())


def test_an_error_of_the_function_passes_and_restores(x: ag.Tensor) -> None:
    before = x.numpy(force=True).copy()

    def fails(t: ag.Tensor) -> ag.Tensor:
        if not np.array_equal(t.numpy(force=True), before):
            raise KeyError("shifted")
        return t * 1.0

    with pytest.raises(KeyError, match="shifted"):
        gradcheck(fails, x)
    np.testing.assert_array_equal(x.numpy(force=True), before)


def test_scalars_and_empty_inputs(x: ag.Tensor) -> None:
    assert gradcheck(lambda x: x.exp().sum(), x)
    assert gradcheck(lambda x: x.exp(), ag.tensor(1.5, dtype=ag.float64, requires_grad=True))
    assert gradcheck(lambda x: x.exp(), ag.zeros(0, 3, dtype=ag.float64, requires_grad=True))


# ---- the other checks ----------------------------------------------------------------------------

EVERYTHING = {
    "check_forward_ad": True,
    "check_batched_grad": True,
    "check_batched_forward_grad": True,
    "check_undefined_grad": True,
    "check_grad_dtypes": True,
    "masked": False,
}


def test_everything_passes_for_right_rules(x: ag.Tensor) -> None:
    for fast in (False, True):
        for f in (
            lambda x: (x * x).tanh(),
            lambda x: (x.softmax(1), x.sum(), x > 1, x.max(1)),
            lambda x: x @ x.t(),
        ):
            assert gradcheck(f, x, fast_mode=fast, **EVERYTHING)
            assert gradgradcheck(
                f, x, check_fwd_over_rev=True, check_batched_grad=True, fast_mode=fast
            )
    index = ag.tensor([[0], [1]])
    w = ag.tensor([1.5, 2.0], dtype=ag.float64, requires_grad=True)
    f = lambda x, i, n, w: (x.gather(1, i) ** n * w, x.exp())  # noqa: E731
    assert gradcheck(f, (x, index, 3, w), **EVERYTHING)
    assert gradgradcheck(f, (x, index, 3, w), check_fwd_over_rev=True)


def test_forward_mode_is_checked(define: Any, x: ag.Tensor) -> None:
    wrong = define(lambda x: 2 * x, lambda K, g, saved, needs: (K.mul(g, 2.5),))
    with pytest.raises(GradcheckError, match=r"jvp gives 2.5, differences give 2"):
        gradcheck(wrong, x, check_forward_ad=True, check_backward_ad=False)
    with pytest.raises(GradcheckError, match=r"backward gives 2.5"):
        gradcheck(wrong, x, check_forward_ad=True)


def test_fast_mode_catches_wrong_rules(define: Any, x: ag.Tensor) -> None:
    double = define(lambda x: 2 * x, lambda K, g, saved, needs: (K.mul(g, 2.1),))
    before = x.numpy(force=True).copy()
    with pytest.raises(GradcheckError, match=r"backward \(along random vectors\)"):
        gradcheck(double, x, fast_mode=True)
    with pytest.raises(GradcheckError, match=r"jvp \(along random vectors\)"):
        gradcheck(double, x, fast_mode=True, check_forward_ad=True, check_backward_ad=False)
    np.testing.assert_array_equal(x.numpy(force=True), before)


def test_rules_that_break_under_vmap(define: Any, x: ag.Tensor) -> None:
    def rule(K: Any, g: Any, saved: Any, needs: Any) -> Any:
        return (K.mul(g, 2.0 if isinstance(g, np.ndarray) else 3.0),)

    double = define(lambda x: 2 * x, rule)
    assert gradcheck(double, x)
    with pytest.raises(GradcheckError, match="backward in vmap gives 3, backward alone gives 2"):
        gradcheck(double, x, check_batched_grad=True)


def test_options_that_do_not_go_together(x: ag.Tensor) -> None:
    for options in (
        {"check_backward_ad": False},
        {"check_backward_ad": False, "check_forward_ad": True, "check_batched_grad": True},
        {"check_batched_forward_grad": True},
    ):
        with pytest.raises(ValueError, match="gradcheck: "):
            gradcheck(lambda x: x, x, **options)  # type: ignore[arg-type]


def test_an_output_left_out(x: ag.Tensor) -> None:
    """A function that goes wrong where one gradient of three is not defined."""

    class Wrong(ag.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.set_materialize_grads(False)
            return x * 2, x * 3, x * 4

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            given = [g * n for g, n in zip(grads, (2, 3, 4), strict=True) if g is not None]
            return given[0] if len(given) == 2 else sum(given)

    with pytest.raises(GradcheckError, match="without a gradient of output 0"):
        gradcheck(Wrong.apply, x)
    assert gradcheck(Wrong.apply, x, check_undefined_grad=False)

"""Recurrent networks: cells for one step, and layers for whole sequences."""

from __future__ import annotations

import math
from typing import Any

from pyautograd.nn import init
from pyautograd.nn.linear import new_parameter
from pyautograd.nn.module import Module, Parameter
from pyautograd.ops import elementwise as ew
from pyautograd.ops.create import zeros
from pyautograd.ops.matmul import linear
from pyautograd.ops.random import dropout
from pyautograd.ops.shape import cat, flip, stack, unsqueeze
from pyautograd.tensor import Tensor

State = Any  # h, or (h, c) of an LSTM

# ---- one step ------------------------------------------------------------------------------------


def _rnn_step(gates: Tensor, state: State, w: Any, b: Any, activation: Any, w_hr: Any) -> State:
    """h = activation(W_ih x + b_ih + W_hh h + b_hh)."""
    return activation(ew.add(gates, linear(state, w, b)))


def _lstm_step(gates: Tensor, state: State, w: Any, b: Any, activation: Any, w_hr: Any) -> State:
    """i, f, o by sigmoids and g by tanh of W_ih x + W_hh h: c = f c + i g, h = o tanh(c)."""
    h, c = state
    i, f, g, o = ew.add(gates, linear(h, w, b)).chunk(4, -1)
    c = ew.add(ew.mul(ew.sigmoid(f), c), ew.mul(ew.sigmoid(i), ew.tanh(g)))
    h = ew.mul(ew.sigmoid(o), ew.tanh(c))
    return (h if w_hr is None else linear(h, w_hr)), c


def _gru_step(gates: Tensor, state: State, w: Any, b: Any, activation: Any, w_hr: Any) -> State:
    """r, z by sigmoids; n = tanh(W_in x + r (W_hn h)); h = (1 - z) n + z h."""
    xr, xz, xn = gates.chunk(3, -1)
    hr, hz, hn = linear(state, w, b).chunk(3, -1)
    r, z = ew.sigmoid(ew.add(xr, hr)), ew.sigmoid(ew.add(xz, hz))
    n = ew.tanh(ew.add(xn, ew.mul(r, hn)))
    return ew.add(n, ew.mul(z, ew.sub(state, n)))


# By mode: rows of the weights for each hidden feature, the step, its activation.
_MODES: dict[str, tuple[int, Any, Any]] = {
    "RNN_TANH": (1, _rnn_step, ew.tanh),
    "RNN_RELU": (1, _rnn_step, ew.relu),
    "LSTM": (4, _lstm_step, None),
    "GRU": (3, _gru_step, None),
}


def _rnn_mode(kind: str, nonlinearity: str) -> str:
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"{kind}: nonlinearity is tanh or relu, got {nonlinearity!r}")
    return f"RNN_{nonlinearity.upper()}"


def _uniform(module: Module, hidden_size: int) -> None:
    bound = 1.0 / math.sqrt(hidden_size) if hidden_size else 0.0
    for p in module.parameters():
        init.uniform_(p, -bound, bound)


def _check_input(name: str, input: Tensor, size: int, dims: tuple[int, int]) -> None:
    if input.ndim not in dims or input.shape[-1] != size:
        raise ValueError(
            f"{name}: expected input of {dims[0]} or {dims[1]} dimensions with {size} features, "
            f"got shape {input.shape}"
        )


def _check_state(name: str, what: str, state: Tensor, shape: tuple[int, ...]) -> None:
    if state.shape != shape:
        raise ValueError(f"{name}: expected {what} of shape {shape}, got {state.shape}")


# ---- cells ---------------------------------------------------------------------------------------


class _Cell(Module):
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self, mode: str, input_size: int, hidden_size: int, bias: bool, dtype: Any
    ) -> None:
        super().__init__()
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = _MODES[mode][0] * hidden_size
        self.weight_ih = new_parameter((rows, input_size), dtype)
        self.weight_hh = new_parameter((rows, hidden_size), dtype)
        self.register_parameter("bias_ih", new_parameter((rows,), dtype) if bias else None)
        self.register_parameter("bias_hh", new_parameter((rows,), dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new starting values, uniform within ±1 / sqrt(hidden_size)."""
        _uniform(self, self.hidden_size)

    def forward(self, input: Tensor, hx: State = None) -> State:
        """The next state, from an input (N, input_size) or (input_size,); 0 without a state."""
        name = type(self).__name__
        _check_input(name, input, self.input_size, (1, 2))
        lstm = self.mode == "LSTM"
        shape = (*input.shape[:-1], self.hidden_size)
        if hx is None:
            h = zeros(shape, dtype=input.dtype)
            hx = (h, h) if lstm else h
        for what, state in zip(("h", "c"), hx if lstm else (hx,), strict=False):
            _check_state(name, what, state, shape)
        _, step, activation = _MODES[self.mode]
        gates = linear(input, self.weight_ih, self.bias_ih)
        return step(gates, hx, self.weight_hh, self.bias_hh, activation, None)

    def extra_repr(self) -> str:
        """Sizes."""
        bias = "" if self.bias else ", bias=False"
        return f"{self.input_size}, {self.hidden_size}{bias}"


class RNNCell(_Cell):
    """h <- tanh(W_ih x + b_ih + W_hh h + b_hh), or with relu by `nonlinearity`. Elman, 1990."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        *,
        dtype: Any = None,
    ) -> None:
        mode = _rnn_mode("RNNCell", nonlinearity)
        super().__init__(mode, input_size, hidden_size, bias, dtype)
        self.nonlinearity = nonlinearity


class LSTMCell(_Cell):
    """One step of an LSTM: (h, c) from an input and (h, c).

    With i, f, o = sigmoid and g = tanh of the four parts of W_ih x + b_ih + W_hh h + b_hh:
    c <- f c + i g, h <- o tanh(c). Hochreiter and Schmidhuber, 1997.

    >>> import pyautograd as ag
    >>> h, c = ag.nn.LSTMCell(3, 2)(ag.zeros(4, 3))
    >>> h.shape
    (4, 2)
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, *, dtype: Any = None
    ) -> None:
        super().__init__("LSTM", input_size, hidden_size, bias, dtype)


class GRUCell(_Cell):
    """One step of a GRU: h <- (1 - z) n + z h.

    r and z are sigmoids of parts of W_ih x + b_ih + W_hh h + b_hh, and
    n = tanh(W_in x + b_in + r (W_hn h + b_hn)). Cho et al., 2014.
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, *, dtype: Any = None
    ) -> None:
        super().__init__("GRU", input_size, hidden_size, bias, dtype)


# ---- layers --------------------------------------------------------------------------------------


class RNNBase(Module):
    """What recurrent layers share. Parameters are named as in PyTorch: weight_ih_l0, ..._reverse.

    Inputs are projected for all steps of a layer in one product.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if mode not in _MODES:
            raise ValueError(f"{name}: mode is one of {', '.join(_MODES)}, got {mode!r}")
        if not 0.0 <= dropout <= 1.0:
            raise ValueError(f"{name}: expected a probability, got dropout={dropout}")
        if num_layers < 1 or hidden_size < 1:
            raise ValueError(
                f"{name}: expected at least one layer and one hidden feature, got "
                f"num_layers={num_layers} and hidden_size={hidden_size}"
            )
        if proj_size and (mode != "LSTM" or not 0 < proj_size < hidden_size):
            raise ValueError(
                f"{name}: proj_size is for LSTM, below hidden_size {hidden_size}, got {proj_size}"
            )
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        out = proj_size or hidden_size
        rows = _MODES[mode][0] * hidden_size
        for layer in range(num_layers):
            size = input_size if layer == 0 else out * self._directions
            for suffix in self._suffixes(layer):
                shapes = {"weight_ih": (rows, size), "weight_hh": (rows, out)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}  # type: ignore[dict-item]
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for kind, shape in shapes.items():
                    self.register_parameter(kind + suffix, new_parameter(shape, dtype))
        self.reset_parameters()

    @property
    def _directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _suffixes(self, layer: int) -> list[str]:
        return [f"_l{layer}", f"_l{layer}_reverse"][: self._directions]

    def reset_parameters(self) -> None:
        """Draws new starting values, uniform within ±1 / sqrt(hidden_size)."""
        _uniform(self, self.hidden_size)

    def _run(self, x: Tensor, suffix: str, state: State) -> tuple[Tensor, State]:
        """One direction of one layer over x (L, N, features)."""
        w_ih, w_hh, b_ih, b_hh, w_hr = (
            self._parameters.get(kind + suffix)
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        )
        _, step, activation = _MODES[self.mode]
        lstm = self.mode == "LSTM"
        outputs = []
        for gates in linear(x, w_ih, b_ih).unbind(0):  # type: ignore[arg-type]
            state = step(gates, state, w_hh, b_hh, activation, w_hr)
            outputs.append(state[0] if lstm else state)
        return stack(outputs), state

    def _start(self, x: Tensor, hx: State, single: bool) -> list[State]:
        """The states of all layers and directions at the beginning."""
        name, lstm = type(self).__name__, self.mode == "LSTM"
        count, n = self.num_layers * self._directions, x.shape[1]
        sizes = [self.proj_size or self.hidden_size, self.hidden_size][: 1 + lstm]
        if hx is None:
            given = [zeros(count, n, size, dtype=x.dtype) for size in sizes]
        else:
            given = list(hx) if lstm else [hx]
            for what, state, size in zip(("h_0", "c_0"), given, sizes, strict=False):
                _check_state(name, what, state, (count, size) if single else (count, n, size))
            if single:
                given = [unsqueeze(state, 1) for state in given]
        columns = [state.unbind(0) for state in given]
        return list(zip(*columns, strict=True)) if lstm else list(columns[0])

    def forward(self, input: Tensor, hx: State = None) -> tuple[Tensor, State]:
        """(output, final state), from input (L, N, input_size) and the first state, 0 if None.

        With `batch_first` (N, L, input_size); (L, input_size) for one sequence. output (L, N, D H)
        has the last layer's h of every step, D directions side by side; states are
        (num_layers D, N, H), a pair of them for an LSTM.
        """
        _check_input(type(self).__name__, input, self.input_size, (2, 3))
        single = input.ndim == 2
        if single:
            x = unsqueeze(input, 1)
        else:
            x = input.transpose(0, 1) if self.batch_first else input
        if not x.shape[0]:
            raise ValueError(f"{type(self).__name__}: a sequence of 0 steps, shape {input.shape}")
        states = self._start(x, hx, single)
        final: list[State] = []
        for layer in range(self.num_layers):
            outputs = []
            for suffix in self._suffixes(layer):
                back = suffix.endswith("_reverse")
                out, state = self._run(flip(x, 0) if back else x, suffix, states[len(final)])
                outputs.append(flip(out, 0) if back else out)
                final.append(state)
            x = cat(outputs, -1) if len(outputs) > 1 else outputs[0]
            if layer + 1 < self.num_layers:
                x = dropout(x, self.dropout, self.training)
        lstm = self.mode == "LSTM"
        ends = [stack(list(s)) for s in (zip(*final, strict=True) if lstm else [final])]
        if single:
            x, ends = x.squeeze(1), [s.squeeze(1) for s in ends]
        elif self.batch_first:
            x = x.transpose(0, 1)
        return x, tuple(ends) if lstm else ends[0]

    def extra_repr(self) -> str:
        """Sizes, and what differs from the defaults."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        for name, usual in (
            ("proj_size", 0), ("num_layers", 1), ("bias", True), ("batch_first", False),
            ("dropout", 0.0), ("bidirectional", False),
        ):  # fmt: skip
            if getattr(self, name) != usual:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)


class RNN(RNNBase):
    """Layers of h <- tanh(W_ih x + b_ih + W_hh h + b_hh), or with relu by `nonlinearity`.

    Elman, 1990.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            _rnn_mode("RNN", nonlinearity), input_size, hidden_size, num_layers, bias, batch_first,
            dropout, bidirectional, dtype=dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Layers of long short-term memory; see LSTMCell. With `proj_size`, h <- W_hr h.

    >>> import pyautograd as ag
    >>> output, (h, c) = ag.nn.LSTM(3, 4, num_layers=2)(ag.zeros(5, 2, 3))
    >>> output.shape, h.shape, c.shape
    ((5, 2, 4), (2, 2, 4), (2, 2, 4))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)


class GRU(RNNBase):
    """Layers of gated recurrent units; see GRUCell."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("GRU: proj_size is for LSTM")
        super().__init__("GRU", *args, **kwargs)

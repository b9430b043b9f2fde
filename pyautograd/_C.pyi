"""The kernels. Arrays are ndarrays; results are new C-contiguous arrays unless a view is said."""

from collections.abc import Callable
from typing import Any

Array = Any
Pair = tuple[int, int]
View = tuple[int, int, int]
Places = tuple[Array, Array]
Windows = tuple[Array, Array, Array]

# By the names of csrc/isa/opcodes.def: arrays (and Python numbers) to an array, broadcasting.
elementwise: dict[str, Callable[..., Array]]

def num_threads() -> int: ...
def set_num_threads(n: int, /) -> None: ...
def flush_denormals() -> bool: ...
def set_flush_denormals(wanted: bool, /) -> None: ...
def build() -> dict[str, str]: ...
def isa() -> str: ...
def available_isas() -> list[str]: ...
def select_isa(name: str, /) -> None: ...

# memory
def lend(array: Array, /) -> bool: ...
def is_lent(array: Array, /) -> bool: ...
def reclaim(tensor: Any, holders: int, /) -> None: ...
def cached(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any: ...
def memory_stats() -> dict[str, int]: ...
def reset_peak_memory() -> None: ...
def set_cache_limit(bytes: int, /) -> None: ...
def empty_cache() -> None: ...
def huge_pages() -> bool: ...
def set_huge_pages(wanted: bool, /) -> None: ...

# views, in bindings/view.cpp
def expand(x: Array, shape: tuple[int, ...], /) -> Array: ...
def resolve_shape(old: tuple[int, ...], sizes: tuple[Any, ...], /) -> tuple[int, ...] | None: ...
def link_view(view: Any, source: Any, /) -> None: ...

# element-wise, in bindings/elementwise.cpp
def add_into(a: Array, b: Array, /) -> None: ...
def same_layout(a: Array, b: Array, /) -> bool: ...
def broadcast_shapes(op: str, /, *shapes: tuple[int, ...]) -> tuple[int, ...]: ...

# reductions
def reduce_sum(x: Array, dims: tuple[int, ...], keepdim: bool, scale: float, /) -> Array: ...
def amax(x: Array, dims: tuple[int, ...], keepdim: bool, largest: bool, /) -> Array: ...
def max_dim(x: Array, dim: int, largest: bool, /) -> tuple[Array, Array]: ...

# movement
def copy(x: Array, /) -> Array: ...
def concatenate(arrays: list[Array], dim: int, /) -> Array: ...
def pad(x: Array, before: tuple[int, ...], after: tuple[int, ...], value: float, /) -> Array: ...
def index_select(x: Array, dim: int, index: Array, /) -> Array: ...
def gather(x: Array, dim: int, index: Array, /) -> Array: ...
def scatter(x: Array, values: Array, dim: int, index: Array, /) -> Array: ...
def embedding(weight: Array, index: Array, /) -> Array: ...
def scatter_add(g: Array, dim: int, index: Array, shape: tuple[int, ...], /) -> Array: ...
def index_add(g: Array, dim: int, rows: Array, n: int, /) -> Array: ...

# order
def sort(x: Array, dim: int, descending: bool, count: int, /) -> tuple[Array, Array]: ...
def running_sum(x: Array, dim: int, backwards: bool, /) -> Array: ...
def running_extreme(x: Array, dim: int, largest: bool, /) -> Array: ...

# contractions
def matmul(a: Array, b: Array, /) -> Array: ...
def linear(x: Array, w: Array, bias: Array | None, /) -> Array: ...
def conv2d(
    x: Array,
    w: Array,
    bias: Array | None,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    /,
) -> Array: ...
def conv2d_input_grad(
    g: Array,
    w: Array,
    input_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    /,
) -> Array: ...
def conv2d_weight_grad(
    g: Array,
    x: Array,
    kernel_hw: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    /,
) -> Array: ...
def winograd() -> bool: ...
def set_winograd(allowed: bool, /) -> None: ...

# windows
def unfold(x: Array, kernel: Pair, dilation: Pair, padding: Pair, stride: Pair, /) -> Array: ...
def fold(
    columns: Array,
    output_hw: Pair,
    kernel: Pair,
    dilation: Pair,
    padding: Pair,
    stride: Pair,
    /,
) -> Array: ...
def max_pool2d(
    x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool, /
) -> tuple[Array, Array]: ...
def max_pool2d_scatter(
    g: Array,
    mask: Array,
    input_hw: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    /,
) -> Array: ...
def max_pool2d_gather(
    x: Array, mask: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, /
) -> Array: ...
def max_pool2d_indices(
    mask: Array,
    input_hw: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    /,
) -> Array: ...
def max_pool2d_windows(x: Array, rows: Places, columns: Places, /) -> tuple[Array, Array]: ...
def resample2d(x: Array, rows: tuple[Array, ...], columns: tuple[Array, ...], /) -> Array: ...
def grid_sample(
    x: Array, grid: Array, mode: str, padding: str, corners: bool, orders: tuple[int, ...], /
) -> Array: ...
def grid_sample_input_grad(
    g: Array,
    grid: Array,
    sizes: tuple[int, ...],
    mode: str,
    padding: str,
    corners: bool,
    orders: tuple[int, ...],
    /,
) -> Array: ...
def grid_sample_grid_grad(
    g: Array,
    x: Array,
    grid: Array,
    mode: str,
    padding: str,
    corners: bool,
    orders: tuple[int, ...],
    /,
) -> Array: ...
def avg_pool2d(x: Array, rows: Windows, columns: Windows, /) -> Array: ...
def avg_pool2d_grad(g: Array, rows: Windows, columns: Windows, input_hw: Pair, /) -> Array: ...

# normalisation
def softmax(x: Array, dim: int, /) -> Array: ...
def log_softmax(x: Array, dim: int, /) -> Array: ...
def softmax_grad(g: Array, y: Array, dim: int, /) -> Array: ...
def log_softmax_grad(g: Array, y: Array, dim: int, /) -> Array: ...
def cross_entropy(
    x: Array,
    target: Array,
    weight: Array | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
    /,
) -> tuple[Array, Array]: ...
def cross_entropy_grad(
    g: Array | None, x: Array, target: Array, weight: Array | None, stats: Array, /
) -> Array: ...
def normalize(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    view: View,
    groups: int,
    eps: float,
    centred: bool,
    /,
) -> tuple[Array, Array, Array]: ...
def normalize_as(
    x: Array,
    weight: Array | None,
    bias: Array | None,
    mean: Array,
    var: Array,
    view: View,
    eps: float,
    centred: bool,
    /,
) -> Array: ...
def normalize_grad(
    g: Array,
    x: Array,
    weight: Array | None,
    mean: Array,
    var: Array,
    view: View,
    groups: int,
    eps: float,
    centred: bool,
    /,
) -> Array: ...

# optimisers: in place, all groups at once; lists have one item a parameter
Arrays = list[Array]

# Per group: parameters, gradients, momentum (None without), whether it holds nothing yet, and
# (lr, momentum, dampening, weight_decay, nesterov, maximize).
def sgd_step(
    groups: list[tuple[Arrays, Arrays, Arrays | None, list[bool], tuple[Any, ...]]], /
) -> None: ...

# Per group: parameters, gradients, exp_avg, exp_avg_sq, max_exp_avg_sq (None without), steps from
# 1, and (lr, beta1, beta2, eps, weight_decay, decoupled, maximize).
def adam_step(
    groups: list[tuple[Arrays, Arrays, Arrays, Arrays, Arrays | None, list[int], tuple[Any, ...]]],
    /,
) -> None: ...

# Per group: parameters, gradients, running size, mean (None without), momentum (None without),
# steps from 1, and (rule, lr, keep, momentum, eps, weight_decay, lr_decay, maximize).
def adaptive_step(
    groups: list[
        tuple[Arrays, Arrays, Arrays, Arrays | None, Arrays | None, list[int], tuple[Any, ...]]
    ],
    /,
) -> None: ...

# ---- static graphs -------------------------------------------------------------------------------

# The numbers of element-wise ops in programs.
opcodes: dict[str, int]
domains: dict[str, str]  # of opcodes: see csrc/isa/opcodes.def
dtypes: dict[str, int]  # as instructions have them

# (NumPy's number of the dtype, shape, strides in bytes, slot, offset in bytes)
Operand = tuple[int, tuple[int, ...], tuple[int, ...], int, int]
# The operands, results, instructions and constants of a program.
Tail = tuple[list[Operand | None], list[Operand], list[int], list[float]]

class Plan:
    def __init__(self, arena_bytes: int, slots: int) -> None: ...
    def __len__(self) -> int: ...
    def add(
        self,
        op: str,
        inputs: list[Operand | None],
        outputs: list[Operand],
        ints: list[int],
        numbers: list[float],
        tail: Tail | None,
        /,
    ) -> None: ...
    def add_check(
        self,
        op: str,
        inputs: list[Operand | None],
        outputs: list[Operand],
        ints: list[int],
        numbers: list[float],
        tail: Tail | None,
        /,
    ) -> None: ...
    def add_optimizer(self, optimizer: BoundOptimizer, /) -> None: ...
    def set_slots(self, sources: list[Any], /) -> None: ...
    def run(self, inputs: list[Array], begin: int, /) -> list[Array]: ...
    def run_part(
        self,
        begin: int,
        end: int,
        inputs: list[Array],
        results: list[Array],
        seconds: Array | None,
        /,
    ) -> None: ...
    def arena(self) -> Array: ...

class BoundOptimizer:
    def bind(self, kernel: str, groups: list[Any], /) -> None: ...

def plan_takes(
    op: str,
    inputs: list[Operand | None],
    outputs: list[Operand],
    ints: list[int],
    numbers: list[float],
    tail: Tail | None,
    /,
) -> bool: ...

# (form, elements) of what a call is handed instead of its weights: csrc/exec/plan.h
def plan_ready(
    op: str,
    inputs: list[Operand | None],
    outputs: list[Operand],
    ints: list[int],
    numbers: list[float],
    /,
) -> tuple[int, int]: ...

# The arrays of plain tensors of the layouts in `like`, or None.
def matching_arrays(args: tuple[Any, ...], like: tuple[Array, ...], kind: type, /) -> Any: ...

# the machine's limits, for benchmarks
def run_fma(operations: int, single: bool, /) -> None: ...
def copy_bytes(to: Array, source: Array, /) -> None: ...

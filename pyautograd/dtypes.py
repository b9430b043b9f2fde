"""The dtypes that tensors have."""

from __future__ import annotations

from typing import Any

import numpy as np

float32 = np.dtype(np.float32)
float64 = np.dtype(np.float64)
int64 = np.dtype(np.int64)
int32 = np.dtype(np.int32)
uint8 = np.dtype(np.uint8)
bool_ = np.dtype(np.bool_)

# NumPy makes several objects of one dtype; everyone here uses these.
SUPPORTED = {dtype: dtype for dtype in (float32, float64, int64, int32, uint8, bool_)}
_PYTHON = {float: float32, int: int64, bool: bool_}


def as_dtype(dtype: Any) -> np.dtype[Any]:
    """One of the dtypes above, from anything that NumPy takes for a dtype.

    Python's `float` means float32, `int` int64. Raises TypeError for a dtype without kernels.
    """
    if dtype is float32:
        return float32
    wanted: Any = _PYTHON.get(dtype, dtype) if isinstance(dtype, type) else dtype
    found: np.dtype[Any] = np.dtype(wanted)
    supported = SUPPORTED.get(found.newbyteorder("="))
    if supported is None:
        raise TypeError(
            f"dtype {found} is not supported: expected float32, float64, int64, int32, uint8 or "
            "bool"
        )
    return supported

"""Linear algebra: what there is of `torch.linalg`."""

from pyautograd.ops.vectors import vector_norm

__all__ = ["vector_norm"]

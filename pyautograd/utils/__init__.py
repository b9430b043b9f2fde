"""Where PyTorch has it: `utils.checkpoint`, `utils.data`."""

from pyautograd.utils import checkpoint, data

__all__ = ["checkpoint", "data"]

"""Where PyTorch has it: `utils.data`."""

from pyautograd.utils import data

__all__ = ["data"]

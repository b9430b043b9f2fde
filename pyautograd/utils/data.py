"""The names of `torch.utils.data`; see `pyautograd.data`."""

from pyautograd.data import *
from pyautograd.data import __all__

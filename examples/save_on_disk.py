"""What ops save for backward lies in files instead of memory, until backward reads it.

saved_tensors_hooks(pack, unpack) hands every saved tensor to `pack`, and keeps what that returns;
`unpack` turns it back. A file is removed with the graph that needs it.
"""

import os
import tempfile
import tracemalloc

import numpy as np

import pyautograd as ag
from pyautograd.autograd.graph import saved_tensors_hooks


class OnDisk:
    """A tensor's values in a file, as long as this object lives."""

    def __init__(self, folder, tensor):
        handle, self.path = tempfile.mkstemp(suffix=".npy", dir=folder)
        with open(handle, "wb") as file:
            np.save(file, tensor.numpy())

    def load(self):
        return ag.from_numpy(np.load(self.path))

    def __del__(self):
        os.remove(self.path)


class save_on_disk(saved_tensors_hooks):
    """A context manager: what is recorded in it is saved in files of the folder."""

    def __init__(self, folder):
        super().__init__(lambda tensor: OnDisk(folder, tensor), OnDisk.load)


def loss_of(x):
    for _ in range(20):
        x = (x * 1.01).tanh()
    return x.sum()


def run(folder):
    """The gradient, the largest memory in arrays of x, the files while the graph is there."""
    x = ag.ones(256, 1024, requires_grad=True)
    tracemalloc.start()
    if folder is None:
        loss = loss_of(x)
        files = 0
    else:
        with save_on_disk(folder):
            loss = loss_of(x)
        files = len(os.listdir(folder))
    loss.backward()
    peak = tracemalloc.get_traced_memory()[1] / x.numpy(force=True).nbytes
    tracemalloc.stop()
    return x.grad.numpy(), peak, files


with tempfile.TemporaryDirectory() as folder:
    in_memory, on_disk = run(None), run(folder)
    left = len(os.listdir(folder))
print(f"same gradient: {np.array_equal(in_memory[0], on_disk[0])}")
print(f"memory, in arrays of the input's size: {in_memory[1]:.0f}, on disk {on_disk[1]:.0f}")
print(f"files while the graph is there: {on_disk[2]}, after backward: {left}")

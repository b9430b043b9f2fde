"""A convolution is a matrix product over the windows of the image.

unfold lays the windows out as columns: (N, C, H, W) becomes (N, C kh kw, L), L windows. Then the
convolution is (O, C kh kw) @ (N, C kh kw, L) = (N, O, L), reshaped to (N, O, H', W'). Outputs and
gradients agree with conv2d's.
"""

import numpy as np

import pyautograd as ag
from pyautograd.nn import functional as F

ag.manual_seed(0)
image_values = ag.randn(2, 3, 8, 8, dtype=ag.float64).numpy()
weight_values = ag.randn(4, 3, 3, 3, dtype=ag.float64).numpy()


def by_conv2d(image, weight):
    return F.conv2d(image, weight, padding=1)


def by_matmul(image, weight):
    columns = F.unfold(image, kernel_size=3, padding=1)  # (2, 27, 64)
    return (weight.reshape(4, 27) @ columns).reshape(2, 4, 8, 8)


def run(convolution):
    """The output, and the gradients of the mean of its squares."""
    image = ag.tensor(image_values, requires_grad=True)
    weight = ag.tensor(weight_values, requires_grad=True)
    output = convolution(image, weight)
    (output**2).mean().backward()
    return output.detach().numpy(), image.grad.numpy(), weight.grad.numpy()


for name, a, b in zip(
    ("output", "image gradient", "weight gradient"), run(by_conv2d), run(by_matmul), strict=True
):
    print(f"{name} {a.shape}: largest difference {np.abs(a - b).max():.1e}")

"""Max and average pooling small enough to check by hand.

The image is 1..16 in rows of four, the window 3x3, the stride 1, the loss the mean of the 2x2
output. Every window has its maximum in its last corner, so each of these four pixels gets 1/4.
Averages spread the gradient: a pixel gets the number of windows that cover it, over 4 x 9.
"""

import pyautograd as ag
from pyautograd.nn import functional as F


def input_gradient(pool):
    """Of the mean of the pooled image, as nested lists (4, 4)."""
    image = ag.arange(1, 17, dtype=ag.float64).reshape(1, 1, 4, 4).requires_grad_()
    pool(image, kernel_size=3, stride=1).mean().backward()
    return image.grad[0, 0]


print("max pooling", input_gradient(F.max_pool2d).tolist())
print("average pooling", input_gradient(F.avg_pool2d).tolist())

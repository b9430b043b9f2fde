"""A convolution small enough to check by hand.

The image is 1..16 in rows of four, the kernel 3x3, the loss the mean of the 2x2 output. Each
weight meets four pixels, so its gradient is their mean: the first one's is (1+2+5+6)/4 = 3.5.
"""

import pyautograd as ag
from pyautograd.nn import functional as F

image = ag.arange(1, 17, dtype=ag.float32).reshape(1, 1, 4, 4)
weight = ag.ones(1, 1, 3, 3, requires_grad=True)

output = F.conv2d(image, weight)  # (1, 1, 2, 2)
output.mean().backward()

print("output", output.tolist()[0][0])
print("weight gradient", weight.grad.tolist()[0][0])

"""Three weight matrices in a row: gradients by the tape and by hand, and a loss that falls.

With Y = X W1 W2 W3 and the loss L = mean((Y - T)^2), the chain rule on paper gives

    G = dL/dY  = 2 (Y - T) / (number of elements)
    dL/dW3 = (X W1 W2)^T G
    dL/dW2 = (X W1)^T G W3^T
    dL/dW1 = X^T G W3^T W2^T
"""

from itertools import pairwise

import numpy as np

import pyautograd as ag

STEPS, LEARNING_RATE = 150, 0.01


def gradients_by_hand(X, T, W1, W2, W3):
    """The formulas above, in NumPy."""
    Y = X @ W1 @ W2 @ W3  # (32, 2)
    G = 2 * (Y - T) / Y.size
    return X.T @ G @ W3.T @ W2.T, (X @ W1).T @ G @ W3.T, (X @ W1 @ W2).T @ G


def main():
    ag.manual_seed(0)
    X = ag.randn(32, 3, dtype=ag.float64)
    T = X @ ag.tensor([[1.0, -2.0], [0.5, 1.0], [-1.0, 0.0]], dtype=ag.float64)  # to be learnt
    sizes = (3, 5, 4, 2)
    weights = [
        (ag.randn(n, m, dtype=ag.float64) / n**0.5).requires_grad_() for n, m in pairwise(sizes)
    ]
    worst = 0.0
    for step in range(STEPS + 1):
        W1, W2, W3 = weights
        loss = ((X @ W1 @ W2 @ W3 - T) ** 2).mean()
        loss.backward()
        by_hand = gradients_by_hand(X.numpy(), T.numpy(), *[w.detach().numpy() for w in weights])
        for w, expected in zip(weights, by_hand, strict=True):
            worst = max(worst, float(np.abs(w.grad.numpy() - expected).max()))
        if step % 25 == 0:
            print(f"step {step:3}  loss {loss.item():.6f}")
        with ag.no_grad():
            for w in weights:
                w -= LEARNING_RATE * w.grad
                w.grad = None
    print(f"largest difference between a gradient and its formula: {worst:.1e}")


if __name__ == "__main__":
    main()

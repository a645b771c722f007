"""Exact distribution of the two-sample Kolmogorov-Smirnov statistic, by paths on a lattice.

Under the hypothesis that both samples come from one distribution, every order of the pooled
sample is equally likely: a random path from (0, 0) to (n, m). The statistic reaches h if the path
leaves a band around the diagonal.

J. L. Hodges, "The significance probability of the Smirnov two-sample test", Arkiv foer Matematik 3,
1958. Terms are evaluated in SciPy's order, so that even p-values at a threshold round alike.
"""

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place


@in_place
def leaving_share_square(rows: int, height: int) -> float:
    """Share of paths from (0, 0) to (n, n) that come to ``|x - y| >= height``.

    By reflection, an alternating sum of binomials, here nested so that nothing cancels.

    Parameters
    ----------
    rows : int
        n, at least 1.
    height : int
        1 to n.

    Returns
    -------
    float
        Rounding may put it just above 1.
    """
    share = 0.0
    for times in range(rows // height, -1, -1):
        ratio = 1.0
        for step in range(height):
            ratio = (rows - times * height - step) * ratio / (rows + times * height + step + 1)
        share = ratio * (1.0 - share)
    return 2.0 * share


@in_place
def leaving_share(
    rows: int, others: int, divisor: int, height: int, shares: NDArray[np.float64]
) -> float:
    """Share of paths from (0, 0) to (n, m) that come to ``|x / n - y / m| >= height / lcm``.

    The share of all paths to a point is the mean of those to its two predecessors, weighted by how
    many come from each. Points of one anti-diagonal don't need each other.

    Parameters
    ----------
    rows, others : int
        n and m, n the larger.
    divisor : int
        Their greatest common divisor.
    height : int
        1 to the least common multiple.
    shares : float64[2, n + 3]
        Scratch, all 1.
    """
    up, down = rows // divisor, others // divisor
    total = up + down
    shares[0, 1] = 0.0
    for length in range(1, rows + others + 1):
        low = max((length * up - height) // total + 1, length - others, 0)
        high = min(-((-length * up - height) // total), rows + 1, length + 1)
        now = length & 1
        for x in range(low, high):
            left, below = shares[1 - now, x], shares[1 - now, x + 1]
            shares[now, x + 1] = (left * x + below * (length - x)) / length
        shares[now, low] = 1.0  # what lies beside the band has left it
        shares[now, high + 1] = 1.0
    return shares[(rows + others) & 1, rows + 1]

"""Candidates for the moment of a change: the lower convex hull of running sums.

Of all moments at which the mean may have begun to rise, only the vertices of the lower convex hull
of (events, sum) can have the largest likelihood ratio, whatever comes next. There are about ln(n)
of them, and a new event costs constant time. Source: Ward, Romano, Eckley and Fearnhead 2024, A
Constant-per-Iteration Likelihood Ratio Test for Online Changepoint Detection for Exponential Family
Models.
"""

import numpy as np
from numpy.typing import NDArray

from engine.kernels.jit import in_place

VERTICES_MAX = 96
"""Independent values have some 20; what rises all the time would have one for each event."""

EVENTS = 0
SUM = 1


@in_place
def thin(hull: NDArray[np.float64], vertices: int) -> int:
    """Drop every other one of the older half of the vertices; give how many are left."""
    kept = 1
    for vertex in range(2, vertices):
        if vertex > vertices // 2 or vertex % 2 == 0:
            hull[kept, EVENTS], hull[kept, SUM] = hull[vertex, EVENTS], hull[vertex, SUM]
            kept += 1
    return kept


@in_place
def add_vertex(hull: NDArray[np.float64], vertices: int, events: float, total: float) -> int:
    """Take the newest moment into the hull.

    Parameters
    ----------
    hull : float64[VERTICES_MAX, 2]
        Events and sum at each vertex, oldest first; changes.
    vertices : int
        How many there are.
    events, total : float
        Events up to now and their sum.

    Returns
    -------
    int
        How many there are now.
    """
    while vertices >= 2:
        last, before = hull[vertices - 1], hull[vertices - 2]
        ahead = (total - last[SUM]) * (last[EVENTS] - before[EVENTS])
        if (last[SUM] - before[SUM]) * (events - last[EVENTS]) < ahead:
            break
        vertices -= 1
    if vertices == VERTICES_MAX:
        vertices = thin(hull, vertices)
    hull[vertices, EVENTS], hull[vertices, SUM] = events, total
    return vertices + 1

"""Windows of a stream, found row by row and slowly."""


def naive_windows(ts, reference_rows, *, window_ns, slide_ns):
    """Give (begin, end, rows) of the windows of time with a row in their newest part.

    Parameters
    ----------
    ts : list of int
        Ascending times of the rows.
    reference_rows : int
        The first rows, which are in no window.
    """
    places = range(reference_rows, len(ts))
    ends = sorted({ts[place] // slide_ns * slide_ns + slide_ns for place in places})
    return [
        (end - window_ns, end, [place for place in places if end - window_ns <= ts[place] < end])
        for end in ends
    ]


def naive_row_windows(ts, reference_rows, *, window, slide):
    """Give (begin, end, rows) of windows of so many rows, each so many rows after the other."""
    found = []
    for end in range(reference_rows + window, len(ts) + 1):
        if (end - reference_rows) % slide == 0:
            rows = list(range(end - window, end))
            found.append((ts[rows[0]], ts[rows[-1]], rows))
    return found

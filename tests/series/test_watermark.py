"""The shard's watermark is the least of its partitions' claims."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.series.pieces import Progress
from engine.series.watermark import NOT_YET, Watermark

UPDATES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(-50, 50), st.integers(0, 20), st.booleans()),
    max_size=25,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(UPDATES)
def test_equals_the_definition(updates):
    watermark = Watermark(3)
    value = NOT_YET
    for place, (partition, claim, lead, ended) in enumerate(updates):
        watermark.update(Progress(partition, claim, claim + lead, ended=ended))
        said = updates[: place + 1]
        claims = {
            number: max((claim for at, claim, _, _ in said if at == number), default=NOT_YET)
            for number in range(3)
            if not any(at == number and ended for at, _, _, ended in said)
        }
        newest = max(claim + lead for _, claim, lead, _ in said)
        value = max(value, min(claims.values()) if claims else newest)
        assert watermark.advance() == value


def test_a_silent_partition_holds_the_watermark():
    watermark = Watermark(2)
    watermark.update(Progress(0, 1000, 1005))
    assert watermark.advance() == NOT_YET
    watermark.update(Progress(1, 10, 15))
    assert watermark.advance() == 10


def test_the_last_end_brings_it_to_the_newest_sample_and_no_further():
    watermark = Watermark(2)
    watermark.update(Progress(0, 100, 105, ended=True))
    watermark.update(Progress(1, 40, 45))
    assert watermark.advance() == 40
    watermark.update(Progress(1, 40, 45, ended=True))
    assert watermark.advance() == 105

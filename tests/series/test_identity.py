"""A series' fingerprint and text depend on what it is and on nothing else."""

from hashlib import blake2b

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.series.identity import Series, fingerprint_of, quoted

LABELS = st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=5)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(LABELS, st.randoms(use_true_random=False))
def test_the_order_of_labels_and_empty_values_do_not_matter(labels, random):
    items = list(labels.items())
    random.shuffle(items)
    series = Series.of("m", labels)
    assert Series.of("m", dict(items)).fingerprint == series.fingerprint
    assert all(value for _, value in series.labels)
    assert "__name__" not in dict(series.labels)


def test_the_fingerprint_is_the_documented_hash():
    raw = b"__name__\xffcpu\xffhost\xffweb-1\xff"
    digest = blake2b(raw, digest_size=8).hexdigest()
    assert f"{Series.of('cpu', {'host': 'web-1'}).fingerprint:016x}" == digest
    assert fingerprint_of([("b", "2"), ("a", "1")]) == fingerprint_of([("a", "1"), ("b", "2")])


def test_an_empty_value_is_no_label():
    assert Series.of("m", {"a": "", "b": "1"}) == Series.of("m", {"b": "1"})


def test_labels_do_not_run_into_each_other():
    one, other = Series.of("m", {"a": "1", "b": "2"}), Series.of("m", {"a": "1b", "": "2"})
    assert one.fingerprint != other.fingerprint


def test_text_is_prometheus_own():
    series = Series.of("m", {"b": 'say "hi"', "a": "back\\slash\n"})
    assert str(series) == r'm{a="back\\slash\n",b="say \"hi\""}'
    assert str(Series.of("m", {})) == "m"
    assert quoted("é") == '"é"'

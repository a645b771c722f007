"""Messages in one buffer are the same messages."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.codecs.interning import WORD_PADDING
from engine.codecs.messages import Messages


@given(st.lists(st.binary(max_size=20)), st.slices(10))
def test_messages_are_a_sequence_of_their_payloads(payloads, part):
    messages = Messages.of(payloads)
    assert list(messages) == payloads
    assert list(messages[part]) == payloads[part]
    assert Messages.of(messages) is messages
    assert len(messages.buffer) == sum(map(len, payloads)) + len(payloads) + WORD_PADDING


@given(st.lists(st.binary(max_size=20), min_size=1), st.data())
def test_a_run_of_messages_is_joined_like_messages_of_their_own(payloads, data):
    begin = data.draw(st.integers(0, len(payloads)))
    run = Messages.of(payloads)[begin:]
    alone = Messages.of(payloads[begin:])
    size = int((run.length + 1).sum())
    np.testing.assert_array_equal(run.joined[:size], alone.joined[:size])

"""A partition's records straight from librdkafka's memory into columns.

confluent-kafka makes a Python object of every record, under the interpreter's lock: half of what a
record costs. Its wheels carry librdkafka itself, whose C interface (rdkafka.h, stable since 1.0) is
called here; compiled code copies the records out beside the interpreter.
"""

import ctypes
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import confluent_kafka
import numpy as np
from confluent_kafka import KafkaError as Code
from numpy.typing import NDArray

from engine.codecs.interning import WORD_PADDING
from engine.codecs.messages import SEPARATOR, Messages
from engine.errors import SourceError
from engine.kernels.foreign import call_foreign, copy_foreign, load_foreign
from engine.kernels.jit import in_place
from engine.sources.records import ClientError, Fetched, Headers, Records

_POINTER, _TEXT = ctypes.c_void_p, ctypes.c_char_p
_CONSUMER = 1
_ERROR_BYTES = 512
_END = Code._PARTITION_EOF  # noqa: SLF001
_FATAL = Code._FATAL  # noqa: SLF001

# Words of rd_kafka_message_t: err, rkt, partition, payload, len, key, key_len, offset, _private.
_ERR, _PAYLOAD, _LEN, _KEY, _KEY_LEN, _OFFSET = 0, 3, 4, 5, 6, 7

# The result and the arguments of each, without the prefix of their names.
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "conf_new": (_POINTER, ()),
    "conf_destroy": (None, (_POINTER,)),
    "conf_set": (ctypes.c_int, (_POINTER, _TEXT, _TEXT, _TEXT, ctypes.c_size_t)),
    "new": (_POINTER, (ctypes.c_int, _POINTER, _TEXT, ctypes.c_size_t)),
    "destroy": (None, (_POINTER,)),
    "poll_set_consumer": (ctypes.c_int, (_POINTER,)),
    "topic_partition_list_new": (_POINTER, (ctypes.c_int,)),
    "topic_partition_list_add": (_POINTER, (_POINTER, _TEXT, ctypes.c_int32)),
    "topic_partition_list_set_offset": (
        ctypes.c_int,
        (_POINTER, _TEXT, ctypes.c_int32, ctypes.c_int64),
    ),
    "topic_partition_list_destroy": (None, (_POINTER,)),
    "assign": (ctypes.c_int, (_POINTER, _POINTER)),
    "commit": (ctypes.c_int, (_POINTER, _POINTER, ctypes.c_int)),
    "queue_get_consumer": (_POINTER, (_POINTER,)),
    "queue_destroy": (None, (_POINTER,)),
    "consume_batch_queue": (
        ctypes.c_ssize_t,
        (_POINTER, ctypes.c_int, _POINTER, ctypes.c_size_t),
    ),
    "message_destroy": (None, (_POINTER,)),
    "message_timestamp": (ctypes.c_int64, (_POINTER, _POINTER)),
    "message_headers": (ctypes.c_int, (_POINTER, _POINTER)),
    "header_get_all": (
        ctypes.c_int,
        (_POINTER, ctypes.c_size_t, _POINTER, _POINTER, _POINTER),
    ),
    "get_watermark_offsets": (
        ctypes.c_int,
        (_POINTER, _TEXT, ctypes.c_int32, _POINTER, _POINTER),
    ),
    "consumer_close": (ctypes.c_int, (_POINTER,)),
    "err2str": (_TEXT, (ctypes.c_int,)),
}


@cache
def library() -> dict[str, Any] | None:
    """Give the functions of the librdkafka that confluent-kafka runs on; None if it isn't found."""
    package = Path(confluent_kafka.__file__).parent
    beside = (package.with_name("confluent_kafka.libs"), package / ".dylibs")
    files = [path for folder in beside for path in sorted(folder.glob("librdkafka*"))]
    if not files or ctypes.sizeof(_POINTER) != np.dtype(np.int64).itemsize:
        return None
    loaded = ctypes.CDLL(str(files[0]))
    functions = {}
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(loaded, f"rd_kafka_{name}", None)
        if function is None:
            return None
        function.restype, function.argtypes = result, arguments
        functions[name] = function
    return functions


@in_place
def errors_of(messages: Any, err: Any) -> None:
    """Write the error code of each message, 0 for a record."""
    for index in range(len(messages)):
        err[index] = np.int32(load_foreign(messages[index], _ERR) & 0xFFFFFFFF)


@in_place
def lengths_of(messages: Any, value_length: Any, key_length: Any, has_key: Any) -> None:
    """Write the lengths of each record's value and key."""
    for index in range(len(messages)):
        value_length[index] = load_foreign(messages[index], _LEN)
        key_length[index] = load_foreign(messages[index], _KEY_LEN)
        has_key[index] = load_foreign(messages[index], _KEY) != 0


@in_place
def take_over(
    messages: Any,
    value_length: Any,
    key_length: Any,
    values: Any,
    keys: Any,
    offset: Any,
    timestamp_ms: Any,
    timestamp_of: int,
    kind_address: int,
    destroy: int,
) -> None:
    """Copy records into columns and give them back to librdkafka.

    Parameters
    ----------
    messages : int64[n]
        Addresses of rd_kafka_message_t.
    value_length, key_length : int64[n]
    values, keys : uint8[...]
        Out: as `Messages` has them.
    offset, timestamp_ms : int64[n]
        Out.
    timestamp_of, destroy : int
        Addresses of rd_kafka_message_timestamp and rd_kafka_message_destroy.
    kind_address : int
        Of room for the timestamp's kind, which is not looked at.
    """
    value_at = 0
    key_at = 0
    for index in range(len(messages)):
        message = messages[index]
        copy_foreign(load_foreign(message, _PAYLOAD), value_length[index], values, value_at)
        value_at += value_length[index]
        values[value_at] = SEPARATOR
        value_at += 1
        copy_foreign(load_foreign(message, _KEY), key_length[index], keys, key_at)
        key_at += key_length[index]
        keys[key_at] = SEPARATOR
        key_at += 1
        offset[index] = load_foreign(message, _OFFSET)
        timestamp_ms[index] = call_foreign(timestamp_of, message, kind_address)
        call_foreign(destroy, message, 0)


def headers_of(functions: dict[str, Any], message: int) -> Headers:
    """Read the headers of the record at an address, which stays librdkafka's."""
    headers = _POINTER()
    if functions["message_headers"](message, ctypes.byref(headers)):
        return ()  # there are none
    found: list[tuple[str, bytes | None]] = []
    name, value, size = _TEXT(), _POINTER(), ctypes.c_size_t()
    places = ctypes.byref(name), ctypes.byref(value), ctypes.byref(size)
    while not functions["header_get_all"](headers, len(found), *places):
        content = ctypes.string_at(value.value, size.value) if value.value else None
        found.append(((name.value or b"").decode(errors="replace"), content))
    return found


def _room(length: NDArray[np.int64]) -> Messages:
    """Make room for messages of these lengths."""
    end = np.cumsum(length + 1)
    size = int(end[-1]) if len(end) else 0
    buffer = np.empty(size + WORD_PADDING, np.uint8)
    buffer[size:] = SEPARATOR
    return Messages(buffer, end - length - 1, length)


def _address(function: Any) -> int:
    return ctypes.cast(function, _POINTER).value or 0


class NativeClient:
    """A `RecordClient` on librdkafka's own interface.

    Parameters
    ----------
    functions : dict
        What `library` gave.
    settings : dict
        librdkafka's.
    topic, partition, offset : str, int, int
        Where to read.
    headers : bool
        Whether to read the records' headers.

    Raises
    ------
    SourceError
        If librdkafka does not take the settings or the assignment.
    """

    def __init__(
        self,
        functions: dict[str, Any],
        settings: dict[str, Any],
        topic: str,
        partition: int,
        offset: int,
        *,
        headers: bool = False,
    ) -> None:
        self._call = functions
        self._reads_headers = headers
        self._open = Lock()  # the heartbeat may ask while the flow ends
        self._topic, self._partition = topic.encode(), partition
        self._client = self._made(settings)
        functions["poll_set_consumer"](self._client)
        self._queue = functions["queue_get_consumer"](self._client)
        self._messages = np.empty(0, np.int64)
        self._kind = np.zeros(1, np.int32)
        error = self._with_place(offset, lambda places: functions["assign"](self._client, places))
        if error:
            self.close()
            raise SourceError(f"{topic}/{partition} can't be read: {self._text(error)}")

    def fetch(self, count: int) -> Fetched:
        """Take over up to so many records and events, without waiting."""
        if len(self._messages) < count:
            self._messages = np.empty(count, np.int64)
        found = self._call["consume_batch_queue"](self._queue, 0, self._messages.ctypes.data, count)
        messages = self._messages[: max(0, found)]
        err = np.empty(len(messages), np.int32)
        errors_of(messages, err)
        told = err[(err == 0) | (err == _END)]
        at_end = bool(told[-1] == _END) if len(told) else None
        failed = np.flatnonzero(err)
        errors = [self._error(int(messages[index]), int(err[index])) for index in failed.tolist()]
        good = messages[err == 0] if len(failed) else messages
        records = self._records(good) if len(good) else None
        return Fetched(records, at_end, [error for error in errors if error.code != _END])

    def high(self) -> int:
        """Offset behind the last record, as far as the client has heard; negative if it has not."""
        low, high = ctypes.c_int64(-1), ctypes.c_int64(-1)
        with self._open:
            if self._client:
                self._call["get_watermark_offsets"](
                    self._client,
                    self._topic,
                    self._partition,
                    ctypes.byref(low),
                    ctypes.byref(high),
                )
        return high.value

    def commit(self, offset: int, *, wait: bool) -> bool:
        """Tell the broker where we are; whether that was taken."""
        error = self._with_place(
            offset, lambda places: self._call["commit"](self._client, places, int(not wait))
        )
        return error == 0

    def close(self) -> None:
        """Leave the broker."""
        with self._open:
            client, self._client = self._client, None
        if client:
            self._call["consumer_close"](client)
            self._call["queue_destroy"](self._queue)
            self._call["destroy"](client)

    def _made(self, settings: dict[str, Any]) -> Any:
        why = ctypes.create_string_buffer(_ERROR_BYTES)
        configuration = self._call["conf_new"]()
        for name, value in settings.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if self._call["conf_set"](
                configuration, name.encode(), text.encode(), why, _ERROR_BYTES
            ):
                self._call["conf_destroy"](configuration)
                raise SourceError(f"Kafka's client refuses a setting: {why.value.decode()}")
        client = self._call["new"](_CONSUMER, configuration, why, _ERROR_BYTES)
        if not client:
            self._call["conf_destroy"](configuration)
            raise SourceError(f"Kafka's client can't be made: {why.value.decode()}")
        return client

    def _with_place(self, offset: int, call: Any) -> int:
        """Call a function with a list of our one partition at an offset."""
        places = self._call["topic_partition_list_new"](1)
        self._call["topic_partition_list_add"](places, self._topic, self._partition)
        self._call["topic_partition_list_set_offset"](places, self._topic, self._partition, offset)
        error = int(call(places))
        self._call["topic_partition_list_destroy"](places)
        return error

    def _text(self, code: int) -> str:
        return str(self._call["err2str"](code).decode())

    def _error(self, message: int, code: int) -> ClientError:
        """Read an error's message, whose value is its text, and give it back."""
        words = (ctypes.c_int64 * (_OFFSET + 1)).from_address(message)
        text = self._text(code)
        if words[_PAYLOAD]:
            text = ctypes.string_at(words[_PAYLOAD], words[_LEN]).decode(errors="replace")
        self._call["message_destroy"](message)
        return ClientError(code, text, code == _FATAL)

    def _records(self, messages: NDArray[np.int64]) -> Records:
        count = len(messages)
        value_length, key_length = np.empty(count, np.int64), np.empty(count, np.int64)
        has_key = np.empty(count, np.bool_)
        lengths_of(messages, value_length, key_length, has_key)
        values, keys = _room(value_length), _room(key_length)
        offset, timestamp_ms = np.empty(count, np.int64), np.empty(count, np.int64)
        headers = None
        if self._reads_headers:
            headers = [headers_of(self._call, message) for message in messages.tolist()]
        take_over(
            messages,
            value_length,
            key_length,
            values.buffer,
            keys.buffer,
            offset,
            timestamp_ms,
            _address(self._call["message_timestamp"]),
            self._kind.ctypes.data,
            _address(self._call["message_destroy"]),
        )
        return Records(values, keys, has_key, offset, timestamp_ms, headers)

"""How long an answer is and how many tools it calls; what it says is dropped at once.

Source: the JSON schema of ``gen_ai.output.messages`` in the GenAI semantic conventions: messages
with parts of a type, ``text`` with content, ``tool_call`` with a name.
"""

from typing import Any

import msgspec
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

OUTPUT_MESSAGES = "gen_ai.output.messages"
OUTPUT_CHARACTERS, TOOL_CALLS = "llm.output_characters", "llm.tool_calls"
"""What is kept of the messages; the conventions have no names for these."""

_DEPTH_MAX = 8
_decode = msgspec.json.Decoder().decode


def sizes_of(messages: Any) -> tuple[int, int] | None:
    """Give the characters of the texts and the number of tool calls.

    Parameters
    ----------
    messages : object
        An array of messages, or its JSON text.

    Returns
    -------
    tuple of (int, int) or None
        None if these are no messages.
    """
    if isinstance(messages, str):
        try:
            messages = _decode(messages)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return None
    if not isinstance(messages, list):
        return None
    characters, tool_calls, parts = 0, 0, 0
    for message in messages:
        found = message.get("parts") if isinstance(message, dict) else None
        for part in found if isinstance(found, list) else []:
            kind = part.get("type") if isinstance(part, dict) else None
            parts += isinstance(kind, str)
            tool_calls += kind == "tool_call"
            if kind == "text" and isinstance(part.get("content"), str):
                characters += len(part["content"])
    return (characters, tool_calls) if parts else None


def proto_messages(value: AnyValue, depth: int = 0) -> Any:
    """Make plain values of an attribute that is structured."""
    kind = value.WhichOneof("value")
    if kind is None or depth > _DEPTH_MAX:
        return None
    if kind == "array_value":
        return [proto_messages(part, depth + 1) for part in value.array_value.values]
    if kind == "kvlist_value":
        pairs = value.kvlist_value.values
        return {pair.key: proto_messages(pair.value, depth + 1) for pair in pairs}
    return getattr(value, kind)


def json_messages(value: Any, depth: int = 0) -> Any:
    """Make plain values of a structured attribute in OTLP's JSON; None of what is no value."""
    if not isinstance(value, dict) or depth > _DEPTH_MAX:
        return None
    for key, content in value.items():
        kind = key.replace("_", "").lower()
        if kind in {"arrayvalue", "kvlistvalue"}:
            parts = content.get("values") if isinstance(content, dict) else None
            parts = parts if isinstance(parts, list) else []
            if kind == "arrayvalue":
                return [json_messages(part, depth + 1) for part in parts]
            return {
                part["key"]: json_messages(part.get("value"), depth + 1)
                for part in parts
                if isinstance(part, dict) and isinstance(part.get("key"), str)
            }
        if kind == "stringvalue":
            return content
    return None

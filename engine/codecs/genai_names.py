"""Names of OpenTelemetry's GenAI conventions, and what else the same is called in the wild.

The conventions are in status Development and still rename: this table is the one place that knows,
and a configuration may add to it. Nothing here names the contents of messages, so that they are
never read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

ALIASES_VERSION = 1
"""Counts the changes of the tables below."""

_ATTRIBUTES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "gen_ai.operation.name": ("llm.request.type", "openinference.span.kind"),
        "gen_ai.provider.name": ("gen_ai.system", "llm.provider", "llm.system"),
        "gen_ai.request.model": ("llm.request.model", "llm.model_name"),
        "gen_ai.response.model": ("llm.response.model",),
        "gen_ai.response.id": (),
        "gen_ai.response.finish_reasons": (
            "gen_ai.response.finish_reason",
            "gen_ai.completion.0.finish_reason",
        ),
        "gen_ai.response.time_to_first_chunk": (),
        "gen_ai.usage.input_tokens": (
            "gen_ai.usage.prompt_tokens",
            "llm.usage.prompt_tokens",
            "llm.token_count.prompt",
            "usage.input",
        ),
        "gen_ai.usage.output_tokens": (
            "gen_ai.usage.completion_tokens",
            "llm.usage.completion_tokens",
            "llm.token_count.completion",
            "usage.output",
        ),
        "gen_ai.usage.cache_read.input_tokens": (
            "gen_ai.usage.cache_read_input_tokens",
            "llm.token_count.prompt_details.cache_read",
        ),
        "gen_ai.usage.cache_creation.input_tokens": (
            "gen_ai.usage.cache_creation_input_tokens",
            "llm.token_count.prompt_details.cache_write",
        ),
        "gen_ai.usage.reasoning.output_tokens": (
            "gen_ai.usage.reasoning_tokens",
            "llm.token_count.completion_details.reasoning",
        ),
        "gen_ai.conversation.id": ("session.id",),
        "error.type": (),
        "server.address": (),
        "gen_ai.evaluation.name": (),
        "gen_ai.evaluation.score.value": (),
        "gen_ai.evaluation.score.label": (),
        "event.name": (),
    }
)

_METRICS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "gen_ai.client.operation.duration": ("gen_ai.client.inference.duration",),
        "gen_ai.client.operation.time_to_first_chunk": (
            "gen_ai.client.inference.time_to_first_chunk",
        ),
        "gen_ai.client.operation.time_per_output_chunk": (
            "gen_ai.client.inference.time_per_output_chunk",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class GenAINames:
    """The canonical name of each name.

    Attributes
    ----------
    attributes : mapping of str to str
        Of attributes that are read; the canonical ones are among them.
    metrics : mapping of str to str
        Only of metrics that are called differently.
    rank : mapping of str to int
        Of names with the same canonical name, the one with the lowest rank wins.
    """

    attributes: Mapping[str, str]
    metrics: Mapping[str, str]
    rank: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        *,
        attributes: Mapping[str, Sequence[str]] | None = None,
        metrics: Mapping[str, Sequence[str]] | None = None,
        extra: Sequence[str] = (),
    ) -> "GenAINames":
        """Make the table.

        Parameters
        ----------
        attributes, metrics : mapping of str to (sequence of str), optional
            Further aliases by canonical name.
        extra : sequence of str
            Attributes that are read under their own name, such as those of tenant and route.
        """
        own = {
            name: (*_ATTRIBUTES.get(name, ()), *(attributes or {}).get(name, ()))
            for name in (*_ATTRIBUTES, *(attributes or {}), *extra)
        }
        names = {alias: name for name, aliases in own.items() for alias in aliases}
        rank = {alias: place for aliases in own.values() for place, alias in enumerate(aliases, 1)}
        renamed = [*_METRICS.items(), *(metrics or {}).items()]
        return cls(
            names | {name: name for name in own},
            {alias: name for name, aliases in renamed for alias in aliases},
            rank | dict.fromkeys(own, 0),
        )

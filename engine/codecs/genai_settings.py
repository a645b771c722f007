"""What the configuration says of an LLM service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from engine.codecs.genai_calls import CATEGORIES, NUMBERS
from engine.codecs.genai_messages import OUTPUT_CHARACTERS, OUTPUT_MESSAGES, TOOL_CALLS
from engine.codecs.genai_names import GenAINames
from engine.codecs.genai_prices import Price

COST = "llm.cost_usd"
"""What a call says it has cost; the conventions have no name for it."""

REFUSALS = (
    *("content_filter", "content_filtered", "refusal", "safety", "prohibited_content"),
    *("blocklist", "spii", "guardrail_intervened"),
)
"""Finish reasons of answers that were refused or withheld, by the providers' documentation."""

NO_CALLS = (
    *("create_agent", "invoke_agent", "execute_tool", "invoke_workflow", "retrieval"),
    *("agent", "tool", "chain", "workflow", "task", "retriever", "reranker", "evaluator"),
)
"""Operations that are no calls of a model; the tokens of those that they hold would count twice."""

_SHORT: Mapping[str, str] = MappingProxyType(
    {
        **NUMBERS,
        **CATEGORIES,
        "tool_calls": TOOL_CALLS,
        "output_characters": OUTPUT_CHARACTERS,
        "cost_usd": COST,
    }
)
_OWN: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        TOOL_CALLS: ("tool_calls",),
        OUTPUT_CHARACTERS: ("output_characters",),
        COST: ("cost_usd", "gen_ai.usage.cost", "llm.cost.total"),
        OUTPUT_MESSAGES: (),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSettings:
    """Settings of one service; see ``docs/llm.md``.

    Attributes
    ----------
    tags : mapping of str to str
        Attributes (or columns such as ``provider``) by the name of the tag that they become.
    aliases : mapping of str to str
        Canonical attributes (or columns such as ``input_tokens``) by the name that producers use.
    embeddings : mapping of str to str
        Attributes that hold vectors, by the name of the feature they become.
    prices : sequence of Price
    evaluators : sequence of str
        Evaluations of other names are rejected.
    refusals : sequence of str
        Finish reasons that are refusals, in any case.
    ignored_operations : sequence of str
        Operations that are no calls, in any case.
    spans_max : int
        Calls that are remembered for evaluations that name only the span.
    """

    tags: Mapping[str, str] = field(
        default_factory=lambda: {"provider": "provider", "operation": "operation"}
    )
    aliases: Mapping[str, str] = field(default_factory=dict)
    embeddings: Mapping[str, str] = field(default_factory=dict)
    prices: Sequence[Price] = ()
    evaluators: Sequence[str] = ()
    refusals: Sequence[str] = REFUSALS
    ignored_operations: Sequence[str] = NO_CALLS
    spans_max: int = 10_000

    def __post_init__(self) -> None:
        """Refuse aliases of what is not read."""
        known = GenAINames.of(attributes=_OWN, extra=self._extra).attributes
        for alias, given in self.aliases.items():
            if attribute_of(given) not in known:
                message = f"aliases: {alias} stands for {given}, which is no attribute that is read"
                raise ValueError(message)

    @property
    def _extra(self) -> tuple[str, ...]:
        """The attributes that only this service has."""
        named = (*self.tags.values(), *self.embeddings.values())
        return tuple(dict.fromkeys(map(attribute_of, named)))

    def names(self) -> GenAINames:
        """Give the names under which attributes are read."""
        built_in = GenAINames.of(attributes=_OWN).attributes
        added: dict[str, list[str]] = {name: list(aliases) for name, aliases in _OWN.items()}
        for alias, given in self.aliases.items():
            added.setdefault(attribute_of(given), []).append(alias)
        extra = (name for name in self._extra if name not in built_in)
        return GenAINames.of(attributes=added, extra=tuple(extra))

    def attributes(self, named: Mapping[str, str]) -> dict[str, str]:
        """Give the canonical attributes of tags or embeddings."""
        names = self.names().attributes
        return {name: names[attribute_of(given)] for name, given in named.items()}


def attribute_of(name: str) -> str:
    """Give the attribute of a column; other names are attributes already."""
    return _SHORT.get(name, name)

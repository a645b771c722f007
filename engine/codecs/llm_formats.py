"""Makes the codec of calls of language models as the configuration has it."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from engine.codecs.compression import Compression
from engine.codecs.document_codec import DocumentCodec, Remembers
from engine.codecs.genai_otlp import Signal
from engine.codecs.genai_predictions import LlmFormat, llm_codec
from engine.codecs.genai_prices import Price
from engine.codecs.genai_settings import LlmSettings
from engine.codecs.prediction_columns import PredictionTables
from engine.codecs.prediction_formats import SCHEMAS
from engine.codecs.samples import Limits
from engine.config.models import LlmConfig
from engine.errors import UsageError

LLM_FORMATS: Mapping[str, LlmFormat] = MappingProxyType(
    {"json": "native", "otlp_proto": "otlp_proto", "otlp_json": "otlp_json"}
)
"""What the formats of the configuration are to `engine.codecs.genai_predictions`."""


def make_llm_codec(
    service: str,
    config: LlmConfig,
    tables: PredictionTables,
    *,
    limits: Limits,
    message_format: str = "json",
    signal: Signal = "traces",
    compression: Compression = "none",
) -> DocumentCodec:
    """Make the codec of one partition of calls and evaluations.

    Parameters
    ----------
    service : str
        The model that the calls are predictions of.
    config : LlmConfig
    tables : PredictionTables
        Of this partition alone, see `make_tables`.
    limits : Limits
        Of messages as they come.
    message_format : str
        As in the configuration.
    signal : str
    compression : str
        Of the messages' content.

    Raises
    ------
    UsageError
        The configuration's aliases or prices can't be used.
    """
    codec = llm_codec(
        service,
        llm_settings(service, config),
        tables,
        message_format=LLM_FORMATS[message_format],
        signal=signal,
    )
    memory: dict[str, Remembers] = {SCHEMAS: tables, "calls": codec}
    return DocumentCodec(codec.decode, memory, limits=limits, compression=compression)


def llm_settings(service: str, config: LlmConfig) -> LlmSettings:
    """Give the settings of a service.

    Raises
    ------
    UsageError
        The configuration's aliases or prices can't be used.
    """
    try:
        settings = partial(
            LlmSettings,
            aliases=config.aliases,
            prices=[
                Price(
                    model=model,
                    input_usd=price.input,
                    output_usd=price.output,
                    cached_usd=price.cached,
                )
                for model, price in config.prices.items()
            ],
            evaluators=config.evaluators,
            refusals=config.refusals,
            embeddings=config.embeddings,
        )
        return settings(tags=config.tags) if config.tags else settings()
    except ValueError as error:
        raise UsageError(f"models: the entry of {service}: {error}") from None

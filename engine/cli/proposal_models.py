"""The configuration that ``streamgauge init`` proposes for predictions, labels and LLM calls."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.cli.proposal import (
    entry,
    example_lines,
    head_lines,
    quoted,
    shown,
    state_lines,
    text_of,
    time_lines,
)
from engine.codecs.predictions import OTHER, Kind
from engine.config.durations import DAY_NS, HOUR_NS, format_duration
from engine.config.models import OTHER_MODELS, ModelConfig
from engine.sources.calls_look import DEFAULT_TAGS
from engine.sources.document_summary import DocumentSummary, ModelSummary

MODELS_MAX = 10
"""How many models have an entry of their own; beyond, one entry is for all."""

_NAMES_MAX = 40  # of versions and features that a comment lists
_WINDOW_ROWS = 200  # that a window should have at least
_WINDOWS_NS = (HOUR_NS, 6 * HOUR_NS, DAY_NS, 7 * DAY_NS)
_REFERENCE_SHARE = 4  # a quarter of a short recording is its reference
_REFERENCE_ROWS_MIN = 100
_SEGMENTS = range(2, ModelConfig(model="m").segments_max + 1)  # values of what divides well
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*", re.ASCII)
_YAML_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_EXAMPLE = "time() - model_last_prediction_timestamp_seconds > 600"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsProposal:
    """What was seen, as far as the configuration depends on it.

    Attributes
    ----------
    file : str
        Name of the configuration, for the commands in its comments.
    source, sink : tuple of str
        Lines of the entry in `sources` and in `sinks`.
    hints : tuple of str
        Comments that stand below the source.
    seen : tuple of (str, str)
        What was seen, for people: names and values.
    summary : DocumentSummary
    service : str
        What the entry of the calls' model is called; empty for predictions and labels.
    out_of_order_ns : int
        Disorder that `time.lateness` is to cover.
    complete : bool
        Whether all that there is was looked at, as of a recording.
    """

    file: str
    source: tuple[str, ...]
    sink: tuple[str, ...]
    hints: tuple[str, ...]
    seen: tuple[tuple[str, str], ...]
    summary: DocumentSummary
    service: str
    out_of_order_ns: int
    complete: bool

    def text(self) -> str:
        """Give the whole file."""
        hints = [f"  # {line}".rstrip() for line in self.hints]
        return text_of(
            head_lines(self.file, self.seen),
            ["sources:", *entry(self.source), *hints],
            time_lines(self.out_of_order_ns),
            ["detectors: []                   # of metrics; models are watched without any"],
            ["models:", *self._models()],
            _rules(),
            ["sinks:", *entry(self.sink)],
            state_lines(),
        )

    def _models(self) -> list[str]:
        models = self.summary.models
        if len(models) > MODELS_MAX:
            names = listed([name_text(model.name) for model in models])
            return [
                f"  # There are {len(models):,}: {names}",
                f'  - model: "{OTHER_MODELS}"                  # all without an entry of their own',
                "    false_alarms_per_week: 1    # for each of them",
            ]
        return [line for model in models for line in self._model(model)]

    def _model(self, model: ModelSummary) -> list[str]:
        name = self.service or model.name
        tags = _tag_names(model) if self.service else {tag: tag for tag in model.tags}
        return [
            f"  - model: {quoted(name)}",
            *(f"    # {line}" for line in self._facts(model)),
            *(self._windows(model, tags) if model.versions else []),
            "    # label_delay: 7d             # how long after its prediction a label may come",
            "    false_alarms_per_week: 1    # of all features, segments and methods together",
            "    # on_episode: retrain         # an event that a pipeline can take as a trigger",
            *(_llm(model, tags) if self.service else []),
        ]

    def _facts(self, model: ModelSummary) -> list[str]:
        lines = [held_text(model)]
        if model.versions:
            lines.insert(0, f"versions, with their rows: {versions_text(model)}")
        elif not self.service:
            lines.append("Labels need the predictions that they are of: add their source above.")
        if self.service:  # its features are always the same
            return lines
        if model.ids < model.rows:
            lines.append("Rows without an id can't be joined with labels that come later.")
        if model.features:
            lines.append(f"features: {{{features_text(model)}}}")
        return lines

    def _windows(self, model: ModelSummary, tags: Mapping[str, str]) -> list[str]:
        return [*self._reference(model), *self._window(model), *_segments(model, tags)]

    def _reference(self, model: ModelSummary) -> list[str]:
        default = ModelConfig(model="m").reference.rows
        rows = max(model.versions.values(), default=0)
        reference = rows // _REFERENCE_SHARE // 50 * 50
        if self.complete and _REFERENCE_ROWS_MIN <= reference < default:
            return [
                f"    reference: first {reference} rows  # of {rows:,};",
                "    #                             # or a file: reference/good.parquet",
            ]
        return [
            "    # reference: reference/good.parquet  # by default of each version",
            f"    #                             # the first {default} rows",
        ]

    def _window(self, model: ModelSummary) -> list[str]:
        rows = max(model.versions.values(), default=0)
        first_ts, last_ts = self.summary.first_ts, self.summary.last_ts
        if rows < _WINDOW_ROWS or first_ts is None or last_ts is None or first_ts == last_ts:
            return ["    # window: 1h                  # or 1000 rows"]
        per_ns = rows / (last_ts - first_ts)
        window = next(
            (format_duration(length) for length in _WINDOWS_NS if length * per_ns >= _WINDOW_ROWS),
            f"{_WINDOW_ROWS} rows",
        )
        if window == format_duration(_WINDOWS_NS[0]):
            return ["    # window: 1h                  # or 1000 rows"]
        an_hour = HOUR_NS * per_ns
        return [f"    window: {window}                  # an hour has {an_hour:.3g} rows"]


def _rules() -> list[str]:
    interval = "  interval: 1m                  # for rule groups that name none"
    return ["rules:", interval, *example_lines(_EXAMPLE)]


def name_text(name: str) -> str:
    """Give a name as YAML takes it, in quotes where these are needed."""
    return name if _is_bare(name) else quoted(name)


def key_text(name: str) -> str:
    """Give a name as YAML takes it for a key, in which a $ is nothing but itself."""
    return name if _is_bare(name) else quoted(name).replace("$$", "$")


def _is_bare(name: str) -> bool:
    return _BARE.fullmatch(name) is not None and name.lower() not in _YAML_WORDS


def listed(names: Sequence[str], names_max: int = _NAMES_MAX) -> str:
    """List names, up to a bound."""
    more = f", ... ({len(names):,})" if len(names) > names_max else ""
    return ", ".join(names[:names_max]) + more


def versions_text(model: ModelSummary, names_max: int = _NAMES_MAX) -> str:
    """List a model's versions and how many predictions each has."""
    found = (f"{shown(name) or '(none)'} ({rows:,})" for name, rows in model.versions.items())
    return listed(list(found), names_max)


def features_text(model: ModelSummary, names_max: int = _NAMES_MAX) -> str:
    """List a model's features with their kinds, as the key `features` takes them."""
    found = [f"{key_text(name)}: {kind}" for name, kind in model.features.items()]
    return listed(found, names_max)


def held_text(model: ModelSummary) -> str:
    """Say what rows have beside features."""
    counts = {
        "predictions": model.predictions,
        "scores": model.scores,
        "ids": model.ids,
        "labels": model.labels,
    }
    whole = [what for what, count in counts.items() if count and count == model.rows]
    parts = [f"{', '.join(whole)} in all rows"] if whole else []
    parts += [f"{what} in {n:,}" for what, n in counts.items() if n and what not in whole]
    late = "evaluations" if model.evaluators else "late labels"
    parts += [f"{late}: {model.late_labels:,}"] if model.late_labels else []
    return "; ".join(parts) or "neither predictions, scores, ids nor labels"


def _segments(model: ModelSummary, tags: Mapping[str, str]) -> list[str]:
    """Propose what divides rows into segments: tags first; `tags` are their names here."""
    kinds = {**model.features, **dict.fromkeys(model.tags, Kind.CATEGORICAL)}
    found = [
        (tags.get(name, name), count)
        for name, count in model.categories.items()
        if count in _SEGMENTS and kinds[name] is Kind.CATEGORICAL and name != OTHER
    ]
    if not found:
        return ["    # segments: []                # no tag or category has two to twenty values"]
    counts = listed([f"{shown(name)} has {count}" for name, count in found])
    return [
        f"    # segments: [{name_text(found[0][0])}]",
        f"    #                             # each value is compared, too: {counts}",
    ]


def _tag_names(model: ModelSummary) -> dict[str, str]:
    """Give short names to tags that are called by their attributes."""
    names: dict[str, str] = {}
    for tag in model.tags:
        parts = tag.split(".")
        short = parts[-2] if len(parts) > 1 and parts[-1] in {"id", "name"} else parts[-1]
        names[tag] = short if short and short not in names.values() else tag
    return names


def _llm(model: ModelSummary, tags: Mapping[str, str]) -> list[str]:
    """Give the settings of calls."""
    lines = ["    llm:"]
    attributes = {short: DEFAULT_TAGS.get(tag, tag) for tag, short in tags.items()}
    given = ", ".join(f"{key_text(tag)}: {name_text(of)}" for tag, of in attributes.items())
    lines.append(f"      tags: {{{given or 'provider: provider, operation: operation'}}}")
    if model.evaluators:
        lines.append(f"      evaluators: [{', '.join(map(quoted, model.evaluators))}]")
    else:
        lines.append("      # evaluators: [faithful]    # evaluations to join; none was seen")
    version = next(iter(model.versions), "example-large")
    lines += [
        "      # prices:                   # US dollars per million tokens; your own",
        f"      #   {key_text(version)}: {{input: 3.00, output: 15.00}}",
    ]
    return lines

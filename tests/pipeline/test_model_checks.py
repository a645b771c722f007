"""Checks of models before a flow starts.

Aim: what can't be watched is refused with its place in the file. Method: configurations with one
mistake each.
"""

import polars as pl
import pytest

from engine.config.load import load_config
from engine.errors import ConfigError
from engine.pipeline.build import make_plan

ROWS = pl.DataFrame({"feature.age": [1.0, 2.0], "feature.region": ["EU", "US"]})


def plan(folder, models):
    path = folder / "config.yaml"
    path.write_text(f"state: {{shards: 2}}\nmodels:\n{models}")
    return make_plan(load_config(path, environment={}), ["p0"], documents=["p0"])


def refused(folder, models):
    with pytest.raises(ConfigError) as caught:
        plan(folder, models)
    (problem,) = caught.value.problems
    return str(problem)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("methods: {numeric: [likelihood]}", "no drift method 'likelihood'"),
        ("methods: {boolean: [ks]}", "no drift method 'ks'"),
        ("sequential: [{use: magic}]", "no sequential detector 'magic'"),
        ("sequential: [{use: ks_window, params: {alpha: 0.1, wide: 3}}]", "wide"),
        ("reference: none.parquet", "none.parquet is missing"),
        ("reference: empty.parquet", "empty.parquet is empty"),
        (
            "reference: rows.parquet, features: {age: numeric, height: numeric}",
            "rows.parquet lacks features: height, and has others: region",
        ),
    ],
)
def test_mistakes_have_places(entry, message, tmp_path):
    ROWS.write_parquet(tmp_path / "rows.parquet")
    ROWS.head(0).write_parquet(tmp_path / "empty.parquet")
    said = refused(tmp_path, f"- {{model: good}}\n- {{model: credit, {entry}}}\n")
    assert "config.yaml:4:" in said
    assert message in said


def test_all_mistakes_at_once(tmp_path):
    with pytest.raises(ConfigError) as caught:
        plan(
            tmp_path,
            "- {model: one, reference: a.parquet}\n- {model: two, sequential: [{use: magic}]}\n",
        )
    assert len(caught.value.problems) == 2


def test_a_reference_file_is_of_one_model(tmp_path):
    with pytest.raises(ConfigError, match="name the model that the file is of"):
        plan(tmp_path, "- {model: '*', reference: rows.parquet}\n")


def test_references_by_model(tmp_path):
    ROWS.write_parquet(tmp_path / "rows.parquet")
    made = plan(tmp_path, "- {model: credit, reference: rows.parquet}\n- {model: '*'}\n")
    assert set(made.references) == {"credit"}
    assert made.config.model("another").reference.kind == "rows"

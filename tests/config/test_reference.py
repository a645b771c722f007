"""The table of all keys."""

from engine.config import config_json_schema, config_reference


def rows():
    lines = config_reference().splitlines()
    assert lines[:2] == ["| key | default | meaning |", "|---|---|---|"]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def leaves(schema, path=""):
    for key, inner in schema["properties"].items():
        item = inner.get("items", {})
        if "properties" in inner:
            yield from leaves(inner, f"{path}{key}.")
        elif "properties" in item:
            yield from leaves(item, f"{path}{key}[].")
        else:
            yield f"`{path}{key}`"


def test_every_key_of_the_schema_has_a_row_with_a_meaning():
    table = {key: meaning for key, _, meaning in rows()}
    assert set(leaves(config_json_schema())) <= set(table)
    assert all(table.values())
    assert len(table) == len(rows())


def test_defaults_are_shown_as_the_file_would_say_them():
    defaults = {key.strip("`"): default for key, default, _ in rows()}
    assert defaults["time.lateness"] == "`5s`"
    assert defaults["time.idle_timeout"] == "`lateness`"
    assert defaults["limits.message_size"] == "`1MiB`"
    assert defaults["sources[].kafka.topic"] == "required"
    assert defaults["sources[].kafka.start"] == "`latest`"
    assert defaults["rules.bundled"] == "`true`"
    assert defaults["rule_options[].hold_while"] == "none"

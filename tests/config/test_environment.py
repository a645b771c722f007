"""Variables from the environment."""

import pytest

from engine.config.environment import refers, substitute

ENVIRONMENT = {"HOST": "web-1", "EMPTY": "", "DOLLAR": "${HOST}"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${HOST}:${HOST}", "web-1:web-1"),
        ("${HOST:-other}", "web-1"),
        ("${MISSING:-other}", "other"),
        ("${MISSING:-}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY:-other}", "other"),
        ("${MISSING:-a:9092,b:9092}", "a:9092,b:9092"),
        ("$$", "$"),
        ("$${HOST}", "${HOST}"),
        ("$$$${HOST}", "$${HOST}"),
        ("$$${HOST}", "$web-1"),
        ('{host=~"web$"}', '{host=~"web$"}'),
        ("$HOST", "$HOST"),
        ("${DOLLAR}", "${HOST}"),
    ],
)
def test_substitutes_once_and_leaves_a_lone_dollar(text, expected):
    assert substitute(text, ENVIRONMENT) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${MISSING}", r"variable MISSING isn't set; set it or write \$\{MISSING:-default\}"),
        ("${}", "begins no reference"),
        ("${1A}", "begins no reference"),
        ("${HOST", "begins no reference"),
        ("${HOST-x}", "begins no reference"),
    ],
)
def test_says_what_is_missing_or_malformed(text, message):
    with pytest.raises(ValueError, match=message):
        substitute(text, ENVIRONMENT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("${HOST}", True), ("x${HOST:-y}", True), ("$$", False), ("$${HOST}", False), ("$x", False)],
)
def test_refers_tells_what_may_be_secret(text, expected):
    assert refers(text) is expected

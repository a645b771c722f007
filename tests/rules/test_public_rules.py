"""Public rule collections: nearly all rules load; what is refused is listed here by name.

Aim: an SRE's rule files run unchanged. Method: all rule files under the shared data are read with
the configuration's defaults; the refused rules must be those of the lists, with these reasons.
"""

from collections import Counter

from engine.config.schema import RulesConfig
from engine.promql.parse import parse_expression
from engine.rules.load import check_rule_file
from engine.rules.model import AlertRule, RecordingRule

DAY_NS = 86_400_000_000_000
LEAST_LOADED = 0.99
WINDOW = "and rules.max_window is"  # longer than by default; the configuration can raise it
QUERY = "'query' is not supported"  # a template that asks for other data
REPEATED = "has the same name and labels as the rule in line"
REFUSED_ALERTS = [
    ("TempoBlockListRisingQuickly", WINDOW),
    ("HostMemoryIsUnderutilized", WINDOW),
    ("BlackboxLowUptime30d", WINDOW),
    ("OpenStackNeutronHighIPsUsage", QUERY),
    ("OpenStackNeutronHighIPsUsage", QUERY),
    ("SNMPInterfaceFCerrors", REPEATED),
    ("SNMPInterfaceFCerrors", REPEATED),
    ("VeleroHighBackupDuration", WINDOW),
    ("WindowsMemoryHighUtilization", QUERY),
    ("WindowsDiskAlmostOutOfSpace", QUERY),
]
REFUSED_RECORDINGS = [
    ("code_verb:apiserver_request_total:increase30d", WINDOW),
    ("cluster_verb_scope_le:apiserver_request_sli_duration_seconds_bucket:increase30d", WINDOW),
    ("apiserver_request:burnrate3d", WINDOW),
    ("apiserver_request:burnrate3d", WINDOW),
]


def read(shared, max_window_ns):
    """Give each file's report; files of `promtool test` have no groups."""
    interval_ns = RulesConfig().interval_ns
    folder = shared / "data/promrules"
    return [
        check_rule_file(
            file,
            name=file.relative_to(folder).as_posix(),
            default_interval_ns=interval_ns,
            max_window_ns=max_window_ns,
        )
        for file in sorted(folder.rglob("*.y*ml"))
        if "tests" not in file.relative_to(folder).parts
    ]


def refusals(reports):
    return [
        (verdict.rule, verdict.error)
        for report in reports
        for verdict in report.verdicts
        if not verdict.ok
    ]


def loaded(reports):
    return Counter(
        type(rule) for report in reports for group in report.groups for rule in group.rules
    )


def test_public_rules_load_by_default(shared):
    reports = read(shared, RulesConfig().max_window_ns)
    found = refusals(reports)
    expected = REFUSED_ALERTS + REFUSED_RECORDINGS
    assert sorted(rule for rule, _ in found) == sorted(rule for rule, _ in expected)
    reasons = dict(expected)
    for rule, error in found:
        assert reasons[rule] in error, (rule, error)
    counts = loaded(reports)
    assert counts[AlertRule] + len(REFUSED_ALERTS) > 1_300
    assert counts[AlertRule] / (counts[AlertRule] + len(REFUSED_ALERTS)) >= LEAST_LOADED
    assert counts[RecordingRule] + len(REFUSED_RECORDINGS) > 90


def test_public_rules_load_with_a_longer_window(shared):
    reports = read(shared, 32 * DAY_NS)
    found = refusals(reports)
    assert sorted(rule for rule, _ in found) == sorted(
        rule for rule, reason in REFUSED_ALERTS if reason != WINDOW
    )
    assert loaded(reports)[RecordingRule] > 90


def test_expressions_of_public_rules_survive_being_written(shared):
    expressions = {
        rule.expression
        for report in read(shared, 32 * DAY_NS)
        for group in report.groups
        for rule in group.rules
    }
    assert len(expressions) > 1_200
    for expression in expressions:
        assert parse_expression(str(expression)) == expression

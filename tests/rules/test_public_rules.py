"""Public rule collections: nothing crashes, and all rules of the supported form are accepted."""

DAY_NS = 86_400_000_000_000
MINUTE_NS = 60_000_000_000
LEAST_ACCEPTED = 0.25  # share of the alert rules that are a selector compared with a number


def test_public_rules_are_classified(shared):
    from engine.rules.load import check_rule_file

    files = sorted((shared / "data/promrules").rglob("*.y*ml"))
    assert len(files) > 100
    verdicts = [
        verdict
        for file in files
        for verdict in check_rule_file(
            file, name=file.name, default_interval_ns=MINUTE_NS, max_window_ns=DAY_NS
        ).verdicts
    ]
    alerts = [verdict for verdict in verdicts if "'record'" not in verdict.error]
    accepted = [verdict for verdict in alerts if verdict.ok]
    assert len(alerts) > 1_000
    assert len(accepted) / len(alerts) >= LEAST_ACCEPTED
    for verdict in verdicts:
        assert verdict.ok or "not supported yet" in verdict.error, verdict

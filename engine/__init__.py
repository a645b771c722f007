"""streamgauge: alert rules, anomaly detection and drift monitoring on live streams."""

__version__ = "0.1.0"

"""Ask NannyML 0.13.1 for estimates of the CBPE cases, and scikit-learn for metrics.

    python3.11 -m venv /tmp/nannyml
    /tmp/nannyml/bin/pip install nannyml==0.13.1 statsmodels
    /tmp/nannyml/bin/python tests/drift/make_cbpe_golden.py

Writes golden/cbpe.json and golden/quality.json.
"""

import json
import os
import warnings
from pathlib import Path

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import nannyml
import numpy as np
import pandas as pd
from cbpe_cases import CASES, make_case
from quality_cases import QUANTILE, K, binary_case, class_case, ranking_case, value_case
from sklearn import metrics as sk
from sklearn.isotonic import IsotonicRegression

FOLDER = Path(__file__).parent / "golden"
METRICS = ["roc_auc", "f1", "precision", "recall", "specificity", "accuracy"]
CONFUSION = ["true_positive", "false_positive", "false_negative", "true_negative"]
GRID = np.linspace(-0.1, 1.1, 25)


def frame(columns):
    return pd.DataFrame(dict(zip(("score", "prediction", "label"), columns, strict=True)))


def cbpe_case(name):
    reference, analysis, chunk_size = make_case(name)
    estimator = nannyml.CBPE(
        y_pred_proba="score",
        y_pred="prediction",
        y_true="label",
        metrics=[*METRICS, "confusion_matrix"],
        chunk_size=chunk_size,
        problem_type="classification_binary",
    )
    estimator.fit(frame(reference))
    table = estimator.estimate(frame(analysis)[["score", "prediction"]]).to_df()
    table = table[table["chunk", "period"] == "analysis"]
    first = table.iloc[0]
    isotonic = IsotonicRegression(out_of_bounds="clip").fit(reference[0], reference[2])
    return {
        "needs_calibration": bool(estimator.needs_calibration),
        "values": {n: table[n, "value"].astype(float).tolist() for n in [*METRICS, *CONFUSION]},
        "alerts": {n: [bool(a) for a in table[n, "alert"]] for n in METRICS},
        "bounds": {
            n: [float(first[n, "lower_threshold"]), float(first[n, "upper_threshold"])]
            for n in METRICS
        },
        "isotonic": isotonic.predict(GRID).tolist(),
    }


def quality():
    label, prediction, score = binary_case()
    cases = {
        "binary": {
            "accuracy": sk.accuracy_score(label, prediction),
            "precision": sk.precision_score(label, prediction),
            "recall": sk.recall_score(label, prediction),
            "specificity": sk.recall_score(label, prediction, pos_label=0),
            "f1": sk.f1_score(label, prediction),
            "roc_auc": sk.roc_auc_score(label, score),
            "log_loss": sk.log_loss(label, score),
            "brier": sk.brier_score_loss(label, score),
        }
    }
    label, prediction = class_case()
    cases["classes"] = {
        "accuracy": sk.accuracy_score(label, prediction),
        "precision_macro": sk.precision_score(label, prediction, average="macro"),
        "recall_macro": sk.recall_score(label, prediction, average="macro"),
        "f1_macro": sk.f1_score(label, prediction, average="macro"),
    }
    label, prediction = value_case()
    cases["regression"] = {
        "mae": sk.mean_absolute_error(label, prediction),
        "rmse": sk.root_mean_squared_error(label, prediction),
        "r2": sk.r2_score(label, prediction),
        "quantile_loss": sk.mean_pinball_loss(label, prediction, alpha=QUANTILE),
    }
    gains = [sk.ndcg_score([item[1]], [item[0]], k=K) for item in ranking_case()]
    cases["ranking"] = {"ndcg_at_k": float(np.mean(gains))}
    return {kind: {name: float(v) for name, v in case.items()} for kind, case in cases.items()}


def main():
    if nannyml.__version__ != "0.13.1":
        raise SystemExit(f"NannyML {nannyml.__version__}, wanted 0.13.1")
    warnings.simplefilter("ignore")
    FOLDER.mkdir(exist_ok=True)
    cases = {name: cbpe_case(name) for name in CASES}
    (FOLDER / "cbpe.json").write_text(json.dumps(cases) + "\n")
    (FOLDER / "quality.json").write_text(json.dumps(quality(), indent=1) + "\n")


if __name__ == "__main__":
    main()

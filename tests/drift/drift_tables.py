"""Random tables with options, for what the report says of a whole: drawn from their seeds alone."""

from dataclasses import dataclass

import numpy as np
from drift_cases import CATEGORICAL, COLOURS, NUMERICAL, normal, weights

TABLES = 40


@dataclass(frozen=True)
class DriftTable:
    """Columns of a reference and a window, their kinds, and options by Evidently's names."""

    kinds: dict
    reference: dict
    window: dict
    options: dict

    def named(self, kind):
        return [name for name, own in self.kinds.items() if own == kind]


def make_table(seed):
    """Draw the table of a seed: half of its columns have drifted, more or fewer by chance."""
    rng = np.random.RandomState(seed)
    rows, others = int(rng.choice([300, 1000, 1001, 2000])), int(rng.choice([80, 500]))
    kinds, reference, window = {}, {}, {}
    for place in range(int(rng.choice([2, 4, 5, 8]))):
        moved = rng.uniform() < 0.5
        if rng.uniform() < 0.6:
            name = f"number {place}"
            kinds[name] = NUMERICAL
            reference[name] = normal(rng, rows)
            window[name] = normal(rng, others, 0.6 if moved else 0.0)
        else:
            name = f"colour {place}"
            kinds[name] = CATEGORICAL
            names = np.array(COLOURS[: rng.choice([2, 4, 7])], object)
            chances = weights(rng, len(names))
            reference[name] = rng.choice(names, rows, p=chances)
            window[name] = rng.choice(names, others, p=chances[::-1] if moved else chances)
    return DriftTable(kinds, reference, window, options(rng, kinds))


def options(rng, kinds):
    """Methods and thresholds, each for all, for a kind or for a column, in any mixture."""
    chosen = {"drift_share": float(rng.choice([0.25, 0.5, 0.75]))}
    if rng.uniform() < 0.4:
        chosen["method"] = str(rng.choice(["psi", "jensenshannon", "hellinger"]))
    if rng.uniform() < 0.4:
        chosen["num_method"] = str(rng.choice(["ks", "wasserstein", "kl_div"]))
    if rng.uniform() < 0.4:
        chosen["cat_method"] = str(rng.choice(["chisquare", "z", "psi"]))
    if rng.uniform() < 0.4:
        chosen["threshold"] = float(rng.choice([0.01, 0.2]))
    if rng.uniform() < 0.4:
        chosen["num_threshold"] = float(rng.choice([0.02, 0.3]))
    if rng.uniform() < 0.4:
        chosen["cat_threshold"] = float(rng.choice([0.03, 0.4]))
    first = next(iter(kinds))
    if rng.uniform() < 0.5:
        chosen["per_column_method"] = {first: "psi"}
    if rng.uniform() < 0.5:
        chosen["per_column_threshold"] = {first: 0.15}
    return chosen

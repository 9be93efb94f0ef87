"""What the order of purchases is worth: a GRU against classifiers of single rows.

Generates the full made-up set of card purchases (284,807 rows, 0.17 % frauds), splits it by card,
and prints the PR-AUC of all on the same test part:

    python benchmarks/fraud_over_time.py

In these data, no row reveals fraud by itself; classifiers of single rows can hardly be better than
chance, which is the share of frauds. To make the comparison fair, gradient boosting also gets the
rows of a card's last four purchases side by side, as one would prepare them by hand. All of them
weight both classes equally; boosting is far worse with its defaults.

Also needs scikit-learn (in the group ``test`` of pyproject.toml).
"""

import argparse
from collections.abc import Callable
from statistics import median

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import rnn_rust as rnn
from rnn_rust.cli.demo import DEMOS
from rnn_rust.demos.fraud import generate

JUDGE = rnn.BinaryClassificationEvaluator()
BOOSTING, NETWORK = "gradient boosting, single rows", "GRU, purchases so far"


def logistic_regression(train: rnn.Dataset, test: rnn.Dataset, seed: int) -> np.ndarray:
    """Return probabilities (N, 1) from single rows."""
    classifier = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
    )
    classifier.fit(train.features, train.labels.ravel())
    return classifier.predict_proba(test.features)[:, 1:]


def boosting(train: rnn.Dataset, test: rnn.Dataset, seed: int, rows: int = 1) -> np.ndarray:
    """Return probabilities (N, 1) from a row and those before it, ``rows`` in all."""
    classifier = HistGradientBoostingClassifier(class_weight="balanced", random_state=seed)
    classifier.fit(side_by_side(train, rows), train.labels.ravel())
    return classifier.predict_proba(side_by_side(test, rows))[:, 1:]


def side_by_side(dataset: rnn.Dataset, rows: int) -> np.ndarray:
    """Return features (N, rows · F) of each row and those before it; NaN before the first."""
    first = np.repeat(dataset.offsets[:-1], np.diff(dataset.offsets))
    at = np.arange(len(first))
    blocks = []
    for back in range(rows):
        block = dataset.features[np.maximum(at - back, 0)]
        block[at - back < first] = np.nan
        blocks.append(block)
    return np.hstack(blocks)


def network(train: rnn.Dataset, test: rnn.Dataset, seed: int) -> np.ndarray:
    """Return probabilities (N, 1) from the purchases up to each, by the model of the demo."""
    model = DEMOS["fraud"].build(train, seed=seed)
    history = model.fit(train, epochs=20, batch_size=64, progress=False)
    print(f"  {history}")
    return model.predict(test)


CONTESTANTS: dict[str, Callable[[rnn.Dataset, rnn.Dataset, int], np.ndarray]] = {
    "logistic regression, single rows": logistic_regression,
    BOOSTING: boosting,
    "gradient boosting, four rows": lambda *data_and_seed: boosting(*data_and_seed, rows=4),
    NETWORK: network,
}


def main() -> None:
    """Print the figures of each seed, and their medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=284_807)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    found: dict[str, list[float]] = {name: [] for name in CONTESTANTS}
    for seed in range(options.seeds):
        dataset = rnn.Dataset.from_frame(generate(options.rows, seed=seed))
        train, test = dataset.split(0.8, seed=seed, stratify=True)
        share = float(test.labels.mean())
        print(f"seed {seed}: {int(test.labels.sum())} frauds in {len(test.labels):,} test rows")
        print(f"  {'chance':34}PR-AUC {share:.4f}")
        for name, predict in CONTESTANTS.items():
            figure = JUDGE.score(test.labels, predict(train, test, seed)).pr_auc
            found[name].append(figure)
            print(f"  {name:34}PR-AUC {figure:.4f}")
    medians = {name: median(figures) for name, figures in found.items()}
    print("medians")
    for name, figure in medians.items():
        print(f"  {name:34}PR-AUC {figure:.4f}")
    times = medians[NETWORK] / medians[BOOSTING]
    print(f"The network has {times:.0f} times the PR-AUC of gradient boosting on single rows.")


if __name__ == "__main__":
    main()

"""What the order of purchases is worth: an RNN against logistic regression on single rows.

Generates the full made-up set of card purchases (284,807 rows, 0.17 % frauds), splits it by card,
and prints the PR-AUC of both on the same test part:

    python benchmarks/fraud_over_time.py

scikit-learn is needed beside the package (the group ``test`` of pyproject.toml has it).
"""

import argparse

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import rnn_rust as rnn
from rnn_rust.data.fraud import generate


def single_rows(train: rnn.Dataset, test: rnn.Dataset) -> float:
    """Return the PR-AUC of logistic regression, which sees one purchase at a time."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    classifier.fit(train.features, train.labels.ravel())
    scores = classifier.predict_proba(test.features)[:, 1:]
    return rnn.BinaryClassificationEvaluator().score(test.labels, scores).pr_auc


def over_time(train: rnn.Dataset, test: rnn.Dataset, seed: int) -> float:
    """Return the PR-AUC of the network, which sees the purchases up to each."""
    model = rnn.RNN(
        29, 10, 1, output_activation="sigmoid", optimizer=rnn.SGD(0.5), scaler="standard", seed=seed
    )
    history = model.fit(train, epochs=40, batch_size=32)
    print(f"  {history}")
    return rnn.BinaryClassificationEvaluator().evaluate(model, test).pr_auc


def main() -> None:
    """Print both figures for each seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=284_807)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for seed in range(options.seeds):
        dataset = rnn.Dataset.from_frame(generate(options.rows, seed=seed))
        train, test = dataset.split(0.8, seed=seed, stratify=True)
        print(f"seed {seed}: {int(test.labels.sum())} frauds in {len(test.labels):,} test rows")
        rows, network = single_rows(train, test), over_time(train, test, seed)
        print(f"  PR-AUC  single rows {rows:.4f}   over time {network:.4f}")


if __name__ == "__main__":
    main()

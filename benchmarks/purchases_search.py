"""GridSearchCV over a pipeline: what text merchants and times add to numbers, by PR-AUC.

python benchmarks/purchases_search.py [--cards 600] [--seeds 3]

The table comes from ``data/make_purchases.py --rich``. A quarter of the cards is held out; the
search uses folds of whole cards from the others.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from rnn_rust.sklearn import SequenceClassifier, SequenceKFold

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "data"))

import make_purchases

GRID = {"model__hidden_size": [16, 32], "model__learning_rate": [0.003, 0.01]}
COLUMNS = {
    "numbers": (["merchant"], ()),
    "numbers, merchants": ([], ()),
    "numbers, merchants, hours": ([], ("hour",)),
}


def search(left_out: list[str], time_features: tuple[str, ...], seed: int) -> GridSearchCV:
    """Return the search over a pipeline without some of the columns."""
    columns = ColumnTransformer(
        [
            ("amount", make_pipeline(SimpleImputer(), StandardScaler()), ["amount"]),
            ("left out", "drop", left_out),
        ],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    model = SequenceClassifier(
        id="card", time="when", scaler=None, time_features=time_features, random_state=seed
    )
    folds = SequenceKFold(3, id="card", time="when", stratify=True)
    pipeline = Pipeline([("columns", columns), ("model", model)])
    return GridSearchCV(pipeline, GRID, cv=folds, scoring="average_precision", n_jobs=2)


def table(cards: int, seed: int) -> pd.DataFrame:
    """Return the purchases as a pandas frame."""
    rows = make_purchases.make_rich(seed, cards)
    return pd.DataFrame({name: rows[name].to_list() for name in rows.columns})


def main() -> None:
    """Print a line for each choice of columns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cards", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    print(f"{options.cards} cards, {options.seeds} seeds: PR-AUC on cards held out")
    print(f"{'features':<28}{'mean':>7}{'lowest':>8}{'highest':>9}   best of the last seed")
    for name, (left_out, time_features) in COLUMNS.items():
        scores = []
        for seed in range(options.seeds):
            frame = table(options.cards, seed)
            cards = frame["card"].unique()
            held_out = frame["card"].isin(cards[: len(cards) // 4])
            X, y = frame.drop(columns="fraud"), frame["fraud"].to_numpy()
            found = search(left_out, time_features, seed).fit(X[~held_out], y[~held_out])
            proba = found.predict_proba(X[held_out])[:, 1]
            scores.append(average_precision_score(y[held_out], proba))
        best = ", ".join(
            f"{key.split('__')[1]} {value}" for key, value in found.best_params_.items()
        )
        print(f"{name:<28}{np.mean(scores):7.3f}{min(scores):8.3f}{max(scores):9.3f}   {best}")
    share = np.mean([table(options.cards, seed)["fraud"].mean() for seed in range(options.seeds)])
    print(f"{'share of frauds':<28}{share:7.3f}")


if __name__ == "__main__":
    main()

"""Errors by seed of the README's network in forecasting twelve months of airline passengers.

python benchmarks/airline_over_seeds.py
"""

from pathlib import Path
from statistics import median

import rnn_rust as rnn

AIRLINE = Path(__file__).resolve().parent.parent / "data/airline-passengers.csv"
SEEDS = range(5)


def main() -> None:
    """Print the error of each seed, their median, and the baselines."""
    data = rnn.Dataset.from_file(AIRLINE, time="month", features="passengers")
    made = data.forecast("passengers", horizon=12, season=12)
    past, future = made.split(at="1958-08", across="context")
    print("mean absolute error, thousand passengers, of forecasts made from August 1958 on")
    errors = []
    for seed in SEEDS:
        model = rnn.GRU(1, 16, 12, scaler="standard", optimizer=rnn.Adam(0.01), seed=seed)
        model.fit(past, epochs=300, progress=False)
        result = model.evaluate(future)
        errors.append(result.mae)
        print(f"GRU, seed {seed}            {result.mae:8.2f}")
    print(f"GRU, median            {median(errors):8.2f}")
    print(f"the last season        {result.season.mae:8.2f}")
    print(f"the last value         {result.baseline.mae:8.2f}")


if __name__ == "__main__":
    main()

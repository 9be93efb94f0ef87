"""Make `weather.csv`, tomorrow's maximum temperature as sequences of a month, from the raw file.

Run `python data/make_weather.py`, or give the path of another output file as the one argument.
"""

import datetime
import math
import sys
from pathlib import Path

import polars as pl

FOLDER = Path(__file__).resolve().parent
RAW_FILE = FOLDER / "weather-seattle-newyork-daily.csv"
CSV_FILE = FOLDER / "weather.csv"

FIRST_TEST_DAY = datetime.date(2015, 1, 1)
"""Everything before is for training, everything from here on for testing."""

CLASSES = ["drizzle", "fog", "rain", "snow", "sun"]
DAYS_PER_YEAR = 365.25


def read_raw(path: Path = RAW_FILE) -> pl.DataFrame:
    """Read the raw daily file with fixed column types.

    Parameters
    ----------
    path
        CSV with the columns location, date, precipitation (mm), temp_max (°C), temp_min (°C),
        wind (m/s) and weather (one of `CLASSES`).

    Returns
    -------
    polars.DataFrame
        The rows of the file, in its order.
    """
    measured = dict.fromkeys(["precipitation", "temp_max", "temp_min", "wind"], pl.Float64)
    schema = {"location": pl.String, "date": pl.Date, **measured, "weather": pl.String}
    return pl.read_csv(path, schema=schema)


def make(raw: pl.DataFrame) -> pl.DataFrame:
    """Turn daily weather into one sequence per city and month, labelled with the next day.

    Parameters
    ----------
    raw
        What `read_raw` returns: every day of each location once.

    Returns
    -------
    polars.DataFrame
        `id` (such as seattle-2012-01), `t` (the date), `x1` maximum and `x2` minimum temperature
        (°C), `x3` precipitation (mm), `x4` wind (m/s), `x5` and `x6` sine and cosine of the day
        of the year, `x7` 1 for New York and 0 for Seattle, `x8` to `x12` one-hot weather class
        in the order of `CLASSES`, and `y1`, the maximum temperature of the next day (°C).
        A feature uses the row's own day alone. The label is null where there is no next day, and
        on the last training day, whose next day is the first of the test part.
    """
    angle = pl.col("date").dt.ordinal_day() * (2 * math.pi / DAYS_PER_YEAR)
    city = pl.col("location").str.to_lowercase().str.replace_all(" ", "-")
    last_training_day = FIRST_TEST_DAY - datetime.timedelta(days=1)
    tomorrow = pl.col("temp_max").shift(-1).over("location")
    return raw.sort("location", "date", descending=[True, False]).select(
        (city + pl.col("date").dt.strftime("-%Y-%m")).alias("id"),
        pl.col("date").alias("t"),
        pl.col("temp_max").alias("x1"),
        pl.col("temp_min").alias("x2"),
        pl.col("precipitation").alias("x3"),
        pl.col("wind").alias("x4"),
        angle.sin().round(4).alias("x5"),
        angle.cos().round(4).alias("x6"),
        (pl.col("location") == "New York").cast(pl.Int8).alias("x7"),
        *(
            (pl.col("weather") == name).cast(pl.Int8).alias(f"x{number}")
            for number, name in enumerate(CLASSES, start=8)
        ),
        pl.when(pl.col("date") != last_training_day).then(tomorrow).alias("y1"),
    )


if __name__ == "__main__":
    make(read_raw()).write_csv(Path(sys.argv[1]) if sys.argv[1:] else CSV_FILE)

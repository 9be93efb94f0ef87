"""The data files and their makers: what they promise, byte for byte where it is quick."""

import datetime
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from rnn_rust.demos import fraud, kaggle
from rnn_rust.errors import DataError, MissingFileError, ParameterError

DATA = Path(__file__).parent.parent / "data"
FEATURES = [f"x{k}" for k in range(1, 30)]


@pytest.fixture(scope="module")
def make_weather() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_weather", DATA / "make_weather.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def purchases() -> pl.DataFrame:
    return fraud.generate(rows=40_000, seed=3, fraud_rate=0.02)


class TestSample:
    def test_layout(self) -> None:
        sample = pl.read_csv(DATA / "sample.csv")
        assert sample.columns == ["name", "t", "x1", "x2", "x3", "y1"]
        lengths = sample.group_by("name").len()["len"]
        assert len(lengths) == 16
        assert (lengths.min(), lengths.max()) == (1, 8)

    def test_alarm_needs_the_reading_before(self) -> None:
        sample = pl.read_csv(DATA / "sample.csv")
        before = pl.col("x3").shift(1).over("name").fill_null(0)
        alarm = ((before + pl.col("x3")).round(2) >= 1.2).cast(pl.Int64)
        assert sample["y1"].to_list() == sample.select(alarm).to_series().to_list()


class TestWeather:
    def test_committed_file_is_what_the_script_makes(self, make_weather: ModuleType) -> None:
        made = make_weather.make(make_weather.read_raw()).write_csv()
        assert made.encode() == (DATA / "weather.csv").read_bytes()

    def test_label_is_tomorrows_maximum(self, make_weather: ModuleType) -> None:
        weather = make_weather.make(make_weather.read_raw())
        assert weather.shape == (2922, 15)
        city = pl.col("id").str.head(-8)
        tomorrow = weather.select("x1", city.alias("city"), pl.col("t").dt.offset_by("-1d"))
        both = weather.with_columns(city.alias("city")).join(tomorrow, on=["city", "t"])
        labelled = both.drop_nulls("y1")
        assert len(labelled) == 2922 - 4
        assert labelled["y1"].to_list() == labelled["x1_right"].to_list()

    def test_training_part_never_sees_the_test_year(self, make_weather: ModuleType) -> None:
        raw = make_weather.read_raw()
        before = raw.filter(pl.col("date") < make_weather.FIRST_TEST_DAY)
        training = make_weather.make(raw).filter(pl.col("t") < make_weather.FIRST_TEST_DAY)
        assert_frame_equal(training, make_weather.make(before))

    def test_features_do_not_depend_on_later_days(self, make_weather: ModuleType) -> None:
        raw = make_weather.read_raw()
        day = datetime.date(2013, 5, 17)
        known = make_weather.make(raw.filter(pl.col("date") <= day)).drop("y1")
        whole = make_weather.make(raw).filter(pl.col("t") <= day).drop("y1")
        assert_frame_equal(known, whole)

    def test_persistence_baseline(self) -> None:
        weather = pl.read_csv(DATA / "weather.csv").filter(pl.col("t") >= "2015").drop_nulls("y1")
        errors = weather["x1"] - weather["y1"].cast(pl.Float64)
        assert float(np.sqrt(np.mean(errors.to_numpy() ** 2))) == pytest.approx(3.391, abs=5e-4)


class TestFraud:
    def test_schema_and_size(self, purchases: pl.DataFrame) -> None:
        assert purchases.columns == ["id", "t", *FEATURES, "y1"]
        assert len(purchases) == 40_000
        assert purchases.null_count().sum_horizontal().item() == 0
        assert purchases["y1"].sum() == 800
        lengths = purchases.group_by("id", maintain_order=True).len()["len"].to_list()[:-1]
        assert (min(lengths), max(lengths)) == fraud.CARD_LENGTHS

    def test_time_increases_within_a_card(self, purchases: pl.DataFrame) -> None:
        steps = purchases.select(pl.col("t").diff().over("id")).to_series().drop_nulls()
        assert steps.min() > 0  # type: ignore[operator]
        assert purchases["id"].is_sorted()

    def test_a_theft_ends_the_card_after_three_quick_probes(self, purchases: pl.DataFrame) -> None:
        later = pl.len().cast(pl.Int64) - pl.col("id").cum_count().cast(pl.Int64)
        cards = purchases.with_columns(left=later.over("id"))
        assert cards.filter(pl.col("y1") == 1)["left"].unique().to_list() == [0]
        stolen = cards.filter(pl.col("y1").max().over("id") == 1)
        probes = stolen.filter(pl.col("left").is_between(1, 3))
        assert probes["x29"].max() <= 5  # type: ignore[operator]
        waits = stolen.with_columns(wait=pl.col("t").diff().over("id"))
        probed = pl.col("left").is_between(1, 3)
        quick, other = waits.filter(probed)["wait"], waits.filter(~probed)["wait"].drop_nulls()
        assert quick.median() < other.median() / 10  # type: ignore[operator]

    def test_single_rows_look_ordinary(self) -> None:
        train, test = (fraud.generate(rows=60_000, seed=s, fraud_rate=0.005) for s in (1, 2))
        model = LogisticRegression(max_iter=500)
        scale = train.select(FEATURES).std().to_numpy()
        model.fit(train.select(FEATURES).to_numpy() / scale, train["y1"].to_numpy())
        score = model.predict_proba(test.select(FEATURES).to_numpy() / scale)[:, 1]
        assert roc_auc_score(test["y1"].to_numpy(), score) < 0.7
        assert average_precision_score(test["y1"].to_numpy(), score) < 0.03

    def test_order_tells_fraud(self, purchases: pl.DataFrame) -> None:
        haste = pl.mean_horizontal(
            pl.col(f"x{k}") * (1 if k % 2 == 1 else -1) for k in range(15, 29)
        )
        before = sum((haste.shift(lag).over("id", order_by="t") for lag in (1, 2, 3)), -haste)
        score = purchases.select(before.fill_null(-9)).to_series().to_numpy()
        assert average_precision_score(purchases["y1"].to_numpy(), score) > 0.7

    def test_committed_slice_is_what_the_documented_call_makes(self, tmp_path: Path) -> None:
        call = re.search(
            r"fraud\.generate\((rows=[^)]*)\)", (DATA / "README.md").read_text("utf-8")
        )
        assert call is not None
        arguments = dict(re.findall(r"(\w+)=([\d.]+)", call[1]))
        table = fraud.generate(
            rows=int(arguments["rows"]),
            seed=int(arguments["seed"]),
            fraud_rate=float(arguments["fraud_rate"]),
            decimals=int(arguments["decimals"]),
        )
        fraud.write_csv(table, tmp_path / "fraud.csv")
        committed = (DATA / "fraud.csv").read_bytes()
        assert (tmp_path / "fraud.csv").read_bytes() == committed
        assert len(committed) < 1_000_000

    @settings(max_examples=25, deadline=None)
    @given(rows=st.integers(1, 300), seed=st.integers(0, 2**32), rate=st.floats(0, 0.02))
    def test_every_size_has_its_rows_and_frauds_and_repeats(
        self, rows: int, seed: int, rate: float
    ) -> None:
        table = fraud.generate(rows, seed, rate)
        assert len(table) == rows
        assert table["y1"].sum() == round(rows * rate)
        assert_frame_equal(table, fraud.generate(rows, seed, rate))

    def test_seeds_differ(self) -> None:
        assert not fraud.generate(50, 1).equals(fraud.generate(50, 2))

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"rows": 0}, "rows must be at least 1"),
            ({"rows": 50, "decimals": -1}, "decimals must be at least 0"),
            ({"rows": 50, "seed": -1}, "seed must be at least 0"),
            ({"rows": 1000, "fraud_rate": 0.5}, "500 frauds are too many"),
            ({"rows": 1000, "fraud_rate": -0.1}, "fraud_rate must be finite and at least 0"),
            ({"rows": 1000, "fraud_rate": 1.1}, "the share of frauds must be at most 1, got 1.1"),
            ({"rows": 1000, "fraud_rate": float("nan")}, "fraud_rate must be finite"),
            ({"rows": 1000, "fraud_rate": "a"}, "fraud_rate must be a number, got 'a'"),
        ],
    )
    def test_bad_arguments(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(ParameterError, match=re.escape(message)):
            fraud.generate(**arguments)


class TestWriteCsv:
    def test_replaces_the_file_and_leaves_nothing_else(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_text("old")
        fraud.write_csv(pl.DataFrame({"x": [1]}), path)
        assert path.read_text() == "x\n1\n"
        assert list(tmp_path.iterdir()) == [path]

    def test_an_error_leaves_the_old_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_text("old")
        broken = pl.DataFrame({"x": [[1, 2]]})  # a list does not fit a cell
        with pytest.raises(pl.exceptions.PolarsError):
            fraud.write_csv(broken, path)
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(MissingFileError, match=r"create the folder .*nowhere first"):
            fraud.write_csv(pl.DataFrame({"x": [1]}), tmp_path / "nowhere" / "a.csv")

    def test_a_directory_is_no_place(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"cannot write .*: it is not a regular file"):
            fraud.write_csv(pl.DataFrame({"x": [1]}), tmp_path)


class TestKaggle:
    @staticmethod
    def write(path: Path, rows: int = 7, changes: dict[str, str] | None = None) -> Path:
        """Write a made-up file in Kaggle's layout, quotes and scientific times included."""
        names = ",".join(f'"{name}"' for name in kaggle.COLUMNS)
        numbers = (",".join(f"{k + i / 10}" for k in range(1, 29)) for i in range(rows))
        lines = [f'1e+05,{row},{i}.5,"{int(i == 3)}"' for i, row in enumerate(numbers)]
        text = "\n".join([names, *lines]) + "\n"
        for old, new in (changes or {}).items():
            text = text.replace(old, new, 1)
        path.write_text(text)
        return path

    def test_cuts_consecutive_rows(self, tmp_path: Path) -> None:
        kaggle.convert(self.write(tmp_path / "in.csv"), tmp_path / "out.csv", length=3)
        made = pl.read_csv(tmp_path / "out.csv")
        assert made.columns == ["id", "t", *FEATURES, "y1"]
        assert made["id"].to_list() == [1, 1, 1, 2, 2, 2, 3]
        assert made["t"].to_list() == [1, 2, 3, 1, 2, 3, 1]
        assert made["x1"].to_list() == pytest.approx([1 + i / 10 for i in range(7)])
        assert made["x28"].to_list() == pytest.approx([28 + i / 10 for i in range(7)])
        assert made["x29"].to_list() == [i + 0.5 for i in range(7)]
        assert made["y1"].to_list() == [0, 0, 0, 1, 0, 0, 0]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({'"V3",': '"W3",', '"Class"': '"Label"'}, "line 1: the header lacks V3, Class;"),
            ({'"V3",': '"V3","Time",'}, "columns 1 and 5 are both named 'Time'"),
            ({",2.1,": ",two,"}, "line 3, column 'V2': 'two' is not a number"),
            ({",2.1,": ",,"}, "line 3, column 'V2': the cell is empty"),
            ({",2.1,": ",nan,"}, "line 3, column 'V2': the value is nan"),
            ({",2.1,": ","}, "line 3: the row is too short: 30 cells where the header has 31"),
            ({",2.1,": ",2.1,2.1,"}, "line 3: the row is too long: 32 cells"),
            ({"1e+05": "noon"}, "line 2, column 'Time': 'noon' is not a number"),
            (
                {',"1"': ',"2"'},
                "line 5, column 'Class': 2 is not a class; give 1 for fraud, else 0",
            ),
            ({',"1"': ","}, "line 5, column 'Class': the class is missing"),
            ({',"1"': ""}, "line 5: the row is too short"),
        ],
    )
    def test_another_table_is_refused(
        self, tmp_path: Path, changes: dict[str, str], message: str
    ) -> None:
        source = self.write(tmp_path / "in.csv", changes=changes)
        with pytest.raises(DataError, match=re.escape(message)):
            kaggle.convert(source, tmp_path / "out.csv")
        assert [file.name for file in tmp_path.iterdir()] == ["in.csv"]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", r"in\.csv is empty"),
            (",".join(kaggle.COLUMNS) + "\n", r"in\.csv: there are no rows"),
        ],
    )
    def test_a_file_without_rows_is_refused(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "in.csv").write_text(text)
        with pytest.raises(DataError, match=message):
            kaggle.convert(tmp_path / "in.csv", tmp_path / "out.csv")
        assert not (tmp_path / "out.csv").exists()

    def test_places_that_are_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(MissingFileError, match="no such file"):
            kaggle.convert(tmp_path / "in.csv", tmp_path / "out.csv")
        with pytest.raises(DataError, match="is a directory"):
            kaggle.convert(tmp_path, tmp_path / "out.csv")
        with pytest.raises(DataError, match=r"cannot write .*: it is not a regular file"):
            kaggle.convert(self.write(tmp_path / "in.csv"), tmp_path)

    def test_the_source_is_not_overwritten(self, tmp_path: Path) -> None:
        source = self.write(tmp_path / "in.csv")
        before = source.read_bytes()
        link = tmp_path / "link.csv"
        link.symlink_to(source)
        for output in (source, link):
            with pytest.raises(ParameterError, match="is the source itself"):
                kaggle.convert(source, output)
        assert source.read_bytes() == before

    def test_length_must_be_positive(self, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match="length must be at least 1"):
            kaggle.convert(self.write(tmp_path / "in.csv"), tmp_path / "out.csv", length=0)

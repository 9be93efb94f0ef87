"""Small tables that comparable libraries were reported to read wrongly, rewritten."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest
from conftest import Write, read_error

from rnn_rust import Dataset

D = datetime.date


def test_digits_that_are_not_ascii_are_other_ids(write: Write) -> None:
    path = write("id,t,x1,y1\n1２,2024-01-01,0.5,0\n1２,2024-01-02,0.6,1\n12,2024-01-01,0.7,0\n")
    assert Dataset.from_csv(path).ids.tolist() == ["1２", "12"]


def test_clocks_that_are_put_back(write: Write) -> None:
    rows = ["02:30:00+02:00,1", "02:15:00+01:00,2", "03:00:00+01:00,3"]
    path = write("id,t,x1,y1\n" + "".join(f"a,2024-10-27T{row},0\n" for row in rows))
    data = Dataset.from_csv(path)
    assert data.features[:, 0].tolist() == [1, 2, 3]
    assert data.times.astype("M8[m]").tolist() == [
        datetime.datetime(2024, 10, 27, hour, minute) for hour, minute in ((0, 30), (1, 15), (2, 0))
    ]


def test_two_purchases_in_one_second(write: Write) -> None:
    rows = ["10:00:00,12.5,0", "10:00:00,13.5,1", "10:00:05,9.0,0"]
    path = write("card,when,amount,fraud\n" + "".join(f"c1,2024-03-01 {row}\n" for row in rows))
    columns: dict[str, Any] = {"id": "card", "time": "when", "features": "amount"}
    message = read_error(path, labels="fraud", **columns)
    for part in ("line 3: id 'c1'", "line 2", 'ties="keep"'):
        assert part in message
    data = Dataset.from_csv(path, labels="fraud", ties="keep", **columns)
    assert data.features[:, 0].tolist() == [12.5, 13.5, 9.0]


@pytest.mark.parametrize(
    ("text", "time", "feature", "days"),
    [
        ('"month","riders"\r\n"2019-11",112\r\n"2019-12",118\r\n"2020-01",132\r\n',
         "month", "riders", [D(2019, 11, 1), D(2019, 12, 1), D(2020, 1, 1)]),
        (",quarter,sales\n0,2019 Q4,0.61\n1,2020 Q1,0.46\n2,2020 Q2,0.87\n",
         "quarter", "sales", [D(2019, 10, 1), D(2020, 1, 1), D(2020, 4, 1)]),
        ("month,units\n2019 Nov,1\n2019 Dec,4\n2020 Jan,2\n",
         "month", "units", [D(2019, 11, 1), D(2019, 12, 1), D(2020, 1, 1)]),
        ("day,load\n12/30/2019,18.6\n12/31/2019,18.4\n01/02/2020,18.5\n",
         "day", "load", [D(2019, 12, 30), D(2019, 12, 31), D(2020, 1, 2)]),
    ],
)  # fmt: skip
def test_one_series(write: Write, text: str, time: str, feature: str, days: list[D]) -> None:
    data = Dataset.from_csv(write(text), time=time, features=feature)
    assert (len(data), data.times.tolist()) == (1, days)
    assert data.feature_names == (feature,)


def test_ways_of_writing_a_day_in_one_column(write: Write) -> None:
    text = "shop,date,price\nA,Nov 1 2019,39.8\nA,Dec 1 2019,36.3\nB,Nov-1-2019,12.5\n"
    data = Dataset.from_csv(write(text), id="shop", time="date", features="price")
    assert data["A"].times.tolist() == [D(2019, 11, 1), D(2019, 12, 1)]
    assert data["B"].times.tolist() == [D(2019, 11, 1)]


def test_a_year_that_needs_its_quarter(write: Write) -> None:
    path = write("year,quarter,gdp\n2019,3,2710.3\n2019,4,2778.8\n2020,1,2775.5\n")
    message = read_error(path, time="year", features="gdp")
    assert "the series has a row at time 2019 already, line 2; name the id column if" in message
    data = Dataset.from_csv(path, time=["year", "quarter"], features="gdp")
    assert data.features[:, 0].tolist() == [2710.3, 2778.8, 2775.5]


def test_a_table_without_id_and_time(write: Write) -> None:
    path = write("signal,label\n-0.195,0\n-0.21,0\n0.32,1\n-0.2,0\n")
    assert "time=None (--no-time)" in read_error(path, features="signal")
    data = Dataset.from_csv(path, features="signal", time=None)
    assert (len(data), data.labels[:, 0].tolist()) == (1, [0, 0, 1, 0])


def test_words_and_an_empty_row_before_the_header(write: Write) -> None:
    rows = ["a,1,0.5,true,0", "a,2,0.6,false,NA", "a,3,0.7,TRUE,1", "a,4,0.8,False,NULL"]
    path = write(",,,,\nid,t,x1,ok,y1\n" + "\n".join(rows) + "\n")
    data = Dataset.from_csv(path, features=["x1", "ok"])
    np.testing.assert_array_equal(data.labels[:, 0], [0, np.nan, 1, np.nan])
    assert data.features[:, 1].tolist() == [1, 0, 1, 0]
    wrong = write(",,,,\nid,t,x1,ok,y1\n" + "\n".join(rows).replace("0.7", "x") + "\n")
    assert read_error(wrong).startswith("line 5, column 'x1'")

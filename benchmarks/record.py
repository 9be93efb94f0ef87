"""The results of a run of ``compare.py``, as dataclasses that are written to and read from JSON."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RECORDS = Path(__file__).resolve().parent / "records"


@dataclass
class Timing:
    """One contestant's repeats in a row, in the row's unit."""

    name: str
    title: str
    variant: str
    samples: list[float]
    tried: dict[str, float] = field(default_factory=dict)
    """Nanoseconds of every variant in the search for the fastest."""

    @property
    def median(self) -> float:
        """The median, which is the figure that is reported."""
        return statistics.median(self.samples)


@dataclass
class Line:
    """One line of the table.

    ``target`` is the least ratio to the strongest rival; with ``bound`` (``at most``, ``at least``)
    it is a limit on our own figure.
    """

    group: str
    name: str
    unit: str
    ours: Timing | None
    rivals: list[Timing] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    target: float | None = None
    bound: str = "ratio"
    idiomatic: str | None = None

    @property
    def strongest(self) -> Timing | None:
        """The fastest rival that was measured."""
        return min(self.rivals, key=lambda rival: rival.median, default=None)

    @property
    def usual(self) -> Timing | None:
        """The rival that a user would otherwise write, if it was measured."""
        return next((rival for rival in self.rivals if rival.name == self.idiomatic), None)

    def ratio(self, rival: Timing | None) -> float | None:
        """Return how many times faster than a rival this package is."""
        if rival is None or self.ours is None:
            return None
        return rival.median / self.ours.median

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target or a figure."""
        if self.target is None or self.ours is None:
            return None
        if self.bound != "ratio":
            return (self.ours.median <= self.target) == (self.bound == "at most")
        ratio = self.ratio(self.strongest)
        return None if ratio is None else ratio >= self.target


@dataclass
class Size:
    """Training at one hidden size."""

    hidden: int
    ns_per_mac: float
    share_of_peak: float


@dataclass
class Record:
    """A whole run."""

    date: str
    command: str
    repeats: int
    machine: dict[str, Any]
    versions: dict[str, str]
    peak_gflops: float | None = None
    peak_source: str = ""
    lines: list[Line] = field(default_factory=list)
    sizes: list[Size] = field(default_factory=list)

    @property
    def level(self) -> str:
        """The instruction set that was used."""
        flags = self.machine["flags"]
        best = "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "baseline"
        return str(self.machine.get("level") or best)

    def line(self, group: str, name: str) -> Line | None:
        """Return the line of that name, if it was measured."""
        return next((x for x in self.lines if (x.group, x.name) == (group, name)), None)

    def write(self, path: Path) -> None:
        """Write JSON, with derived figures for human readers."""
        content = asdict(self)
        for shown, line in zip(content["lines"], self.lines, strict=True):
            shown["derived"] = {
                "ours": line.ours and line.ours.median,
                "rivals": {rival.name: rival.median for rival in line.rivals},
                "strongest": line.strongest and line.strongest.name,
                "ratio_to_strongest": line.ratio(line.strongest),
                "ratio_to_idiomatic": line.ratio(line.usual),
                "met": line.met,
            }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Record:
        """Read what :meth:`write` wrote."""
        content = json.loads(path.read_text(encoding="utf-8"))
        for line in content["lines"]:
            del line["derived"]
            line["ours"] = line["ours"] and Timing(**line["ours"])
            line["rivals"] = [Timing(**rival) for rival in line["rivals"]]
        content["lines"] = [Line(**line) for line in content["lines"]]
        content["sizes"] = [Size(**size) for size in content["sizes"]]
        return cls(**content)


def newest() -> list[Record]:
    """Return the newest record of each instruction set; names begin with the date."""
    found: dict[str, Record] = {}
    for path in sorted(RECORDS.glob("????-??-??-*.json")):
        record = Record.read(path)
        found[record.level] = record
    return [found[level] for level in sorted(found, reverse=True)]

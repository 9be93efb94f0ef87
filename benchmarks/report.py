"""A record as Markdown: the whole table."""

from __future__ import annotations

from machine import sentence
from record import Line, Record, Timing
from rows import GROUPS

MARKS = {True: "yes", False: "**no**", None: "–"}


def figure(value: float) -> str:
    """Return a number with three significant digits, and a separator for thousands."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 1 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(ratio: float | None) -> str:
    """Return a ratio."""
    return "–" if ratio is None else f"{figure(ratio)}×"


def markdown(record: Record) -> str:
    """Return a record with its machine, its lines by group, and what was skipped."""
    parts = [
        f"# Speed, {record.date}",
        sentence(record.machine),
        ", ".join(f"{name} {version}" for name, version in record.versions.items()) + ".",
        f"`{record.command}`",
        f"Medians of {record.repeats} repeats, all contestants in turn. Where nothing else is "
        "said: one thread each on one pinned core, processor time, nanoseconds per time step of a "
        "full training step (forward, backward, update). A streaming call, imports, the job from "
        "a CSV file and two threads are wall time.",
    ]
    for group, title in GROUPS.items():
        lines = [line for line in record.lines if line.group == group]
        if lines:
            parts += [f"## {group}: {title}", table(lines), *details(lines)]
        if group == "sizes" and record.sizes:
            parts.append(size_table(record))
    return "\n\n".join(parts) + "\n"


def table(lines: list[Line]) -> str:
    """Return one row per line."""
    rows = [
        "| | unit | ours | strongest rival | ratio | idiomatic rival | ratio | target | met |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        bound = "≤ " if line.bound == "at most" else "≥ "
        target = "–" if line.target is None else bound + figure(line.target)
        cells = [
            line.name, line.unit, "–" if line.ours is None else figure(line.ours.median),
            cell(line.strongest), times(line.ratio(line.strongest)),
            cell(line.usual), times(line.ratio(line.usual)), target, MARKS[line.met],
        ]  # fmt: skip
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def cell(timing: Timing | None) -> str:
    """Return a rival's figure and name."""
    if timing is None:
        return "–"
    return f"{figure(timing.median)} {timing.title} ({timing.variant})"


def details(lines: list[Line]) -> list[str]:
    """Return a list of every contestant's range, followed by who was skipped and why."""
    measured = []
    for line in lines:
        every = [line.ours, *line.rivals] if line.ours else line.rivals
        shown = "; ".join(
            f"{t.title} {figure(t.median)} [{figure(min(t.samples))}..{figure(max(t.samples))}]"
            for t in every
        )
        if every:
            measured.append(f"- {line.name}: {shown}")
    skipped: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        for reason in line.skipped.items():
            skipped.setdefault(reason, []).append(line.name)
    parts = ["\n".join(measured)]
    if skipped:
        parts.append(
            "\n".join(
                f"- skipped: **{rival}**, {reason} ({'; '.join(names)})"
                for (rival, reason), names in skipped.items()
            )
        )
    return parts


def size_table(record: Record) -> str:
    """Return time per multiply-add and share of the core's peak by hidden size."""
    rows = [
        f"Peak of the core in float32: {record.peak_gflops:.0f} GFLOP/s ({record.peak_source}).",
        "",
        "| H | ns per multiply-add | share of peak |",
        "|---|---|---|",
    ]
    rows += [f"| {s.hidden} | {s.ns_per_mac:.4f} | {s.share_of_peak:.0%} |" for s in record.sizes]
    return "\n".join(rows)

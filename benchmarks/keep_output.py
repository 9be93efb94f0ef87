"""Run a script and keep what it prints, with the date and the machine, in benchmarks/records.

python benchmarks/keep_output.py benchmarks/weather_over_seeds.py
"""

import datetime
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from machine import describe, sentence
from record import RECORDS

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("numpy", "polars", "scikit-learn")


def main() -> None:
    """Run the script of the command line with its arguments, and write the record."""
    script, *arguments = sys.argv[1:] or [""]
    if not (ROOT / script).is_file():
        sys.exit(
            f"usage: python benchmarks/keep_output.py SCRIPT [ARGUMENT ...]: no file {script!r}"
        )
    machine, today = describe(), datetime.date.today()
    done = subprocess.run(
        [sys.executable, script, *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    print(done.stdout, end="")
    name = Path(script).stem
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    parts = [
        f"# {name.replace('_', ' ').capitalize()}, {today}",
        sentence(machine),
        f"{versions}.",
        f"`{' '.join(['python', script, *arguments])}`",
        f"```text\n{done.stdout}```",
    ]
    words = [name.replace("_", "-"), *(word.strip("-") for word in arguments)]
    if machine["level"]:
        words.append(machine["level"].lower())
    path = RECORDS / f"{today}-{'-'.join(words)}.md"
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

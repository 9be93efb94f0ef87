"""The machine on which a record was measured: processor, system, versions."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rivals import RIVALS

# Names of the instruction sets that the environment may force.
LEVELS = {"avx2": "AVX2", "avx512": "AVX-512", "portable": "portable", "neon": "NEON"}
FLAGS = ("avx2", "fma", "avx512f", "avx512vl", "asimd", "sve")


def describe() -> dict[str, Any]:
    """Return the processor, its instruction sets, and the system."""
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        info = ""
    fields = {
        key: found.group(1).strip()
        for key in ("model name", "flags", "Features")
        if (found := re.search(rf"^{key}\s*:(.*)$", info, re.MULTILINE))
    }
    flags = (fields.get("flags") or fields.get("Features", "")).split()
    return {
        "cpu": fields.get("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "flags": [flag for flag in FLAGS if flag in flags],
        "level": LEVELS.get(os.environ.get("RNN_RUST_SIMD", "")),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


def sentence(machine: dict[str, Any]) -> str:
    """Return the result of :func:`describe` as one line of a record."""
    forced = f"held to {machine['level']}; " if machine.get("level") else ""
    return (
        f"{machine['cpu']}, {machine['cores']} cores ({' '.join(machine['flags'])}); "
        f"{forced}{machine['system']}; Python {machine['python']}; "
        f"load before the run {machine['load_before']:.1f}."
    )


def slug(cpu: str) -> str:
    """Return a processor's name as part of a file name."""
    return re.sub(r"[^a-z0-9]+", "-", cpu.lower()).strip("-") or "unknown-cpu"


def versions() -> dict[str, str]:
    """Return the version of every package that is measured."""
    found = {}
    for package in sorted({name for rival in RIVALS.values() for name in rival.packages}):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found

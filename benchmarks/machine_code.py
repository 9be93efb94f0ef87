"""Reads the machine code of a program: x86-64, as listed by objdump."""

import re
import subprocess
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

WIDTHS = {"x": 128, "y": 256, "z": 512}


@dataclass(frozen=True)
class Instruction:
    """What an instruction does."""

    function: str
    text: str
    product: bool  # of floating-point numbers, with or without a sum
    load: bool
    store: bool
    bits: int  # of its widest vector register; 0 without one
    fused: bool  # nothing to do, or a jump that may be one with the comparison before it


def decode(function: str, text: str) -> Instruction:
    """Return the instruction in a line of objdump, like ``vmovups 0x40(%rdi),%zmm2{%k1}{z}``."""
    text = re.sub(r" *#.*", "", text)
    name, _, rest = re.sub(r"^((lock|rep\w*|data16|cs|bnd) )+", "", text).partition(" ")
    *sources, destination = re.findall(r"(?:\([^)]*\)|[^,(])+", rest.strip()) or [""]
    accesses = not name.startswith(("lea", "nop", "prefetch"))
    to_memory = accesses and re.search("[(:]", destination) is not None
    writes = not re.match(r"(cmp|test|bt|i?mul|i?div|push|jmp|call)[bwlq]?$", name)
    reads = not re.match(r"v|k?mov|set|pop", name)
    return Instruction(
        function=function,
        text=text,
        product=re.match(r"v?mul[sp][sd]$|vfn?m(add|sub)", name) is not None,
        load=name in ("pop", "ret")
        or (accesses and any(re.search("[(:]", source) for source in sources))
        or (to_memory and reads),
        store=name in ("push", "call") or (to_memory and writes),
        bits=max((WIDTHS[width] for width in re.findall(r"%([xyz])mm", rest)), default=0),
        fused=re.match(r"nop|j(?!mp)", name) is not None or text == "xchg %ax,%ax",
    )


class Listing:
    """The machine code of a program: its functions and instructions, by address."""

    def __init__(self, program: Path) -> None:
        command = ["objdump", "-d", "--no-show-raw-insn", str(program)]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        self.functions: dict[str, int] = {}
        self._lines: dict[int, tuple[str, str]] = {}
        function = ""
        for line in text.splitlines():
            if header := re.match(r"([0-9a-f]+) <(.*)>:$", line):
                function = header[2]
                self.functions[function] = int(header[1], 16)
            elif found := re.match(r" *([0-9a-f]+):\t(.*)", line):
                self._lines[int(found[1], 16)] = function, found[2]
        self._places = sorted(self._lines)
        self._loops = self._innermost_loops()

    def phases(
        self, visits: Mapping[int, float], least: int
    ) -> Iterator[list[tuple[Instruction, float]]]:
        """Yield the executed instructions, and how often, phase by phase.

        A phase is an innermost loop that executes ``least`` instructions each time it is entered,
        or the rest of a function. ``visits`` has how often each address was executed; libraries are
        left out.
        """
        found: dict[tuple[str, int], list[tuple[Instruction, float]]] = defaultdict(list)
        long = [loop for loop in self._loops if self._length(loop, visits) >= least]
        starts = [first for first, _ in long]
        for place, times in visits.items():
            if place not in self._lines:
                continue
            function, text = self._lines[place]
            number = bisect(starts, place) - 1
            inside = number >= 0 and place <= long[number][1]
            found[function, number if inside else -1].append((decode(function, text), times))
        yield from found.values()

    def _innermost_loops(self) -> list[tuple[int, int]]:
        """Return the first and the last address of each loop that contains no other loop."""
        loops = set()
        for place, (function, text) in self._lines.items():
            jump = re.match(r"j\w+ +([0-9a-f]+)", text)
            if jump and self.functions[function] <= int(jump[1], 16) <= place:
                loops.add((int(jump[1], 16), place))
        innermost: list[tuple[int, int]] = []
        for first, last in sorted(loops, key=lambda loop: (-loop[0], loop[1])):
            if not innermost or last < innermost[-1][0]:
                innermost.append((first, last))
        return innermost[::-1]

    def _length(self, loop: tuple[int, int], visits: Mapping[int, float]) -> float:
        """Return the instructions that a loop executes each time it is entered."""
        first, last = loop
        begin, end = bisect(self._places, first) - 1, bisect(self._places, last)
        executed = sum(visits.get(place, 0.0) for place in self._places[begin:end])
        if self._lines[last][1].startswith("jmp"):
            entered = visits.get(first, 0.0) - visits.get(last, 0.0)
        else:
            entered = visits.get(self._places[end], 0.0)
        return executed / entered if entered > 0 else 0.0

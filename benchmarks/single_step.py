"""Counts the instructions that a program executes by stepping through it: Linux on x86-64.

The kernel stops the program after every instruction (ptrace), some 40,000 times a second, so that
only what lies between two calls of a function is stepped through.
"""

import ctypes
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TRACE_ME, READ_REGISTER, WRITE_REGISTER, CONTINUE, SINGLE_STEP = 0, 3, 6, 7, 9
PROGRAM_COUNTER = 16 * 8  # where the kernel's user_regs_struct has it
BREAKPOINT = b"\xcc"
WIDTHS = {"x": 128, "y": 256, "z": 512}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long
_libc.waitpid.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]


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
    """Return what a line of the listing of objdump says: ``vmovups 0x40(%rdi),%zmm2{%k1}{z}``."""
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
    """The machine code of a program: its instructions and its functions, by address."""

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

    def instructions(self, visits: Mapping[int, float]) -> Iterator[tuple[Instruction, float]]:
        """Yield what was executed, and how often; what lies in libraries is left out."""
        for address, times in visits.items():
            if address in self._lines:
                yield decode(*self._lines[address]), times


def count(
    command: list[str | Path], environment: Mapping[str, str], starts: set[int]
) -> Counter[int]:
    """Return how often each address is executed from the second visit of these to the third."""
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL,
        preexec_fn=lambda: _libc.ptrace(TRACE_ME, 0, None, None),  # noqa: PLW1509
    ) as process:  # fmt: skip
        try:
            traced = Traced(process.pid)
            traced.run_to(starts)
            traced.run_to(starts)
            return traced.step_to(starts)
        finally:
            process.kill()


class Traced:
    """A program under ptrace that has just been started; addresses are those of its file."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._wait()
        self._base = int(Path(f"/proc/{pid}/maps").read_text().partition("-")[0], 16)

    def run_to(self, addresses: set[int]) -> None:
        """Execute an instruction, and then more until one of these addresses is next."""
        self._resume(SINGLE_STEP)
        with open(f"/proc/{self._pid}/mem", "r+b", buffering=0) as memory:
            places = [self._base + address for address in addresses]
            old = {place: os.pread(memory.fileno(), 1, place) for place in places}
            for place in old:
                os.pwrite(memory.fileno(), BREAKPOINT, place)
            self._resume(CONTINUE)
            for place, byte in old.items():
                os.pwrite(memory.fileno(), byte, place)
        place = self._program_counter() - len(BREAKPOINT)
        _libc.ptrace(WRITE_REGISTER, self._pid, PROGRAM_COUNTER, place)

    def step_to(self, addresses: set[int]) -> Counter[int]:
        """Do the same step by step, and return how often each address was executed."""
        ends = {self._base + address for address in addresses}
        visits: Counter[int] = Counter()
        place = self._program_counter()
        while not visits or place not in ends:
            visits[place] += 1
            self._resume(SINGLE_STEP)
            place = self._program_counter()
        return Counter({place - self._base: times for place, times in visits.items()})

    def _program_counter(self) -> int:
        place: int = _libc.ptrace(READ_REGISTER, self._pid, PROGRAM_COUNTER, None)
        return place

    def _resume(self, how: int) -> None:
        _libc.ptrace(how, self._pid, None, None)
        self._wait()

    def _wait(self) -> None:
        status = ctypes.c_int()
        _libc.waitpid(self._pid, ctypes.byref(status), 0)
        if not os.WIFSTOPPED(status.value) or os.WSTOPSIG(status.value) != signal.SIGTRAP:
            raise ChildProcessError(f"the program ended too early: status {status.value}")

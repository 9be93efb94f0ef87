"""Counts the instructions that a program executes by stepping through it: Linux on x86-64.

The kernel stops the program after every instruction (ptrace), about 40,000 times a second, which is
slow: so only the code between two calls of a function is stepped through.
"""

import ctypes
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

TRACE_ME, READ_REGISTER, WRITE_REGISTER, CONTINUE, SINGLE_STEP = 0, 3, 6, 7, 9
PROGRAM_COUNTER = 16 * 8  # where the kernel's user_regs_struct has it
BREAKPOINT = b"\xcc"

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long
_libc.waitpid.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]


def count(
    command: list[str | Path], environment: Mapping[str, str], starts: set[int]
) -> Counter[int]:
    """Return how often each address is executed between visits 2 and 3 of ``starts``."""
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
    """A program that was just started under ptrace; addresses are as in its file."""

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
        """Do the same in single steps, and return how often each address was executed."""
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

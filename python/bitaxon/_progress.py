"""What progress=True shows: tqdm's bar where it is installed, else a line of text."""

import sys
from typing import Any, Callable, Optional

try:
    from tqdm import tqdm  # type: ignore[import]
except ImportError:
    tqdm = None


class _Bar:
    """tqdm, told how far the work is instead of how far it went. It closes when it is dropped."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._bar: Any = None

    def __call__(self, done: int, total: int) -> None:
        if self._bar is None:  # not before: a call that is refused shows nothing
            self._bar = tqdm(total=self._total, unit=" samples")
        self._bar.update(done - self._bar.n)
        if done == total:
            self._bar.close()


class _Line:
    """One line that rewrites itself."""

    def __init__(self) -> None:
        self._open = False

    def __call__(self, done: int, total: int) -> None:
        self._open = done < total
        end = "" if self._open else "\n"
        print(f"\r{done} of {total} samples", end=end, file=sys.stderr, flush=True)

    def __del__(self) -> None:
        if self._open:  # an exception ended the work
            print(file=sys.stderr)


def reporter(total: int) -> Optional[Callable[[int, int], None]]:
    """A new display for that many samples, or None where nobody would see it."""
    if sys.stderr is None or not sys.stderr.isatty():
        return None
    return _Line() if tqdm is None else _Bar(total)

"""Futures of calls that compute on a context's workers, and streams of batches."""

import atexit
import collections
import collections.abc
import concurrent.futures
import itertools
import os
import typing

import numpy as np

from ._arguments import to_int
from .errors import InvalidValueError

if typing.TYPE_CHECKING:
    import asyncio

__all__ = ["Future"]

_T = typing.TypeVar("_T")


class Future(concurrent.futures.Future[_T], typing.Generic[_T]):
    """What a submitted call returns: a concurrent.futures.Future whose cancel ends running work, too."""

    def __init__(self) -> None:
        super().__init__()
        self._pending: typing.Any = None
        self._process = os.getpid()
        self._cancels = itertools.count()

    def _start(self, pending: typing.Any) -> None:
        self._pending = pending
        _calls.add((self._process, pending))
        _forget_ended_calls()

    def _settle(self, value: typing.Any, error: typing.Optional[BaseException]) -> None:
        try:
            if error is None:
                self.set_result(value)
            else:
                self.set_exception(error)
        except concurrent.futures.InvalidStateError:
            pass  # cancelled meanwhile

    def cancel(self) -> bool:
        """Ends the call: at once for those who wait, within some milliseconds for its workers.

        Until then they may still write to `out`.
        """
        cancelled = super().cancel()
        if cancelled and next(self._cancels) == 0:
            self.set_running_or_notify_cancel()  # else concurrent.futures.wait never hears of it
        if cancelled and self._pending is not None:
            self._pending.cancel()
        return cancelled

    def running(self) -> bool:
        """Whether the call is not done: it can be cancelled until then."""
        return not self.done()

    def progress(self) -> tuple[int, int]:
        """(done, total) samples or steps; a total of 0 is not known yet."""
        return self._pending.progress()  # type: ignore[no-any-return]

    def result(self, timeout: typing.Optional[float] = None) -> _T:
        """The result of the call, or what it raised.

        In a callback, which runs on one of the context's workers, it computes what nobody has begun; there,
        with a timeout, it only sleeps, which on a context of one thread ends in TimeoutError.
        """
        self._wait_as_worker(timeout)
        return super().result(timeout)

    def exception(self, timeout: typing.Optional[float] = None) -> typing.Optional[BaseException]:
        """What the call raised, or None; waits as result does."""
        self._wait_as_worker(timeout)
        return super().exception(timeout)

    def _wait_as_worker(self, timeout: typing.Optional[float]) -> None:
        self._check_process()
        # A worker that slept might be the one that the call waits for.
        if timeout is None and not self.done() and self._pending is not None and self._pending.on_worker():
            self._pending.wait()

    def _check_process(self) -> None:
        if self._process != os.getpid() and not self.done():
            raise RuntimeError("this call was pending when the process forked: only the parent has its result")


# Calls that may still run Python's code, by process: a call's worker is in it until after its future has
# told everybody. Those that have ended are forgotten once they may be half of all.
_calls: "set[tuple[int, typing.Any]]" = set()
_many_calls = 64


def _forget_ended_calls() -> None:
    global _many_calls
    if len(_calls) < _many_calls:
        return
    for call in list(_calls):  # a copy: other threads add to it
        if call[1].done():
            _calls.discard(call)
    _many_calls = 64 + 2 * len(_calls)


def _end_all() -> None:
    """Before the interpreter goes: what still computes is cancelled and waited for."""
    for process, pending in list(_calls):
        if process == os.getpid():
            pending.cancel()
            pending.wait()


atexit.register(_end_all)


def awaitable(future: Future[_T]) -> "asyncio.Future[_T]":
    """For `await`: cancelling it, or the task that awaits it, cancels the call."""
    import asyncio  # takes longer to import than all of Bitaxon

    return asyncio.wrap_future(future)


def forward_stream(
    model: typing.Any, batches: collections.abc.Iterable[typing.Any], in_flight: typing.Any, seed: typing.Any, first_sample: typing.Any, context: typing.Any
) -> collections.abc.Iterator[typing.Any]:
    """The generator behind forward_stream; refuses wrong arguments before its first step."""
    count = to_int("in_flight", in_flight)
    if count < 1:
        raise InvalidValueError(f"in_flight: got {count}, expected 1 or more")
    return _results(model, iter(batches), count, seed, to_int("first_sample", first_sample), context)


def _next_result(waiting: "collections.deque[Future[typing.Any]]") -> typing.Any:
    result = waiting[0].result()  # left in its place: an interrupt cancels it, too
    waiting.popleft()
    return result


def _results(
    model: typing.Any, batches: collections.abc.Iterator[typing.Any], in_flight: int, seed: typing.Any, sample: int, context: typing.Any
) -> collections.abc.Iterator[typing.Any]:
    waiting: collections.deque[Future[typing.Any]] = collections.deque()
    failure: typing.Optional[Exception] = None
    try:
        while True:
            try:
                # A copy: whoever makes batches may use one array for all.
                batch = np.array(next(batches))
                waiting.append(
                    model.submit_forward_batch(batch, seed=seed, first_sample=sample, context=context)
                )
                sample += len(batch)
            except StopIteration:
                break
            except Exception as error:  # its turn comes after the results of batches before it
                failure = error
                break
            if len(waiting) == in_flight:
                yield _next_result(waiting)
        while waiting:
            yield _next_result(waiting)
        if failure is not None:
            raise failure
    finally:
        for future in waiting:
            future.cancel()

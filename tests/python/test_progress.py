"""progress= tells how far a batch is, and never where nobody looks."""

import io

import numpy as np
import pytest
from conftest import make_layer

from bitaxon import _progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def long_batch(rng):
    """A call of a few hundred milliseconds."""
    layer = make_layer(rng, 256, 64, length=4096)
    samples = np.broadcast_to(rng.random(256), (4000, 256))
    return lambda progress: layer.forward_batch(samples, progress=progress)


def test_a_callable_hears_how_far_it_is(long_batch):
    heard = []
    long_batch(lambda done, total: heard.append((done, total)))
    done = [d for d, _ in heard]
    assert len(heard) > 3
    assert done == sorted(done) and heard[-1] == (4000, 4000)
    assert {total for _, total in heard} == {4000}


def test_short_work_is_reported_once(layer, rng):
    heard = []
    layer.forward_batch(rng.random((3, 20)), progress=lambda *state: heard.append(state))
    layer.forward_streamed(rng.random((3, 20)), progress=lambda *state: heard.append(state))
    assert heard == [(3, 3), (3, 3)]


def test_what_a_callable_raises_ends_the_call(long_batch):
    calls = 0

    def refuse(done, total):
        nonlocal calls
        calls += 1
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        long_batch(refuse)
    assert calls == 1


def test_progress_does_not_change_the_result(long_batch):
    assert np.array_equal(long_batch(lambda done, total: None), long_batch(None))


@pytest.mark.parametrize("progress", [True, False, None])
def test_silent_unless_on_a_terminal(long_batch, capfd, progress):
    long_batch(progress)
    assert capfd.readouterr() == ("", "")


def test_tqdm_shows_a_bar(long_batch, monkeypatch):
    pytest.importorskip("tqdm")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    long_batch(True)
    assert "4000/4000" in terminal.getvalue() and "100%" in terminal.getvalue()


def test_plain_text_without_tqdm(long_batch, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(_progress, "tqdm", None)
    long_batch(True)
    text = terminal.getvalue()
    assert text.endswith("\r4000 of 4000 samples\n") and text.count("\r") > 3


def test_an_interrupted_line_is_ended(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setattr(_progress, "tqdm", None)
    reporter = _progress.reporter(9)
    reporter(4, 9)
    del reporter
    assert terminal.getvalue() == "\r4 of 9 samples\n"


def test_a_refused_call_shows_no_bar(layer, monkeypatch):
    pytest.importorskip("tqdm")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with pytest.raises(ValueError):
        layer.forward_batch(np.full((3, 20), np.nan), progress=True)
    assert terminal.getvalue() == ""

"""Runs bitaxon-bench several times, each time a new process, and merges what the launches wrote."""

import json
import pathlib
import subprocess
import tempfile

from . import results

FEWEST_SAMPLES = 30  # of an id, over all launches


class LaunchError(RuntimeError):
    """bitaxon-bench failed; the message is what it said."""


def launch(program, arguments, samples):
    """The JSON of one process. @raises LaunchError with its message"""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "launch.json")
        command = [str(program), "--json", str(path), "--samples", str(samples), *arguments]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              check=False)
        if done.returncode != 0:
            raise LaunchError(f"{' '.join(command)}: {done.stderr.strip() or f'status {done.returncode}'}")
        return json.loads(path.read_text(encoding="utf-8"))


def samples_a_launch(launches):
    return max(5, -(-FEWEST_SAMPLES // launches))


def run_interleaved(programs, arguments, launches, say=print):
    """Merged results of several programs; every round launches each, in an order that alternates."""
    written = {program: [] for program in programs}
    for number in range(launches):
        order = programs if number % 2 == 0 else programs[::-1]
        for program in order:
            say(f"launch {number + 1} of {launches}: {program}")
            written[program].append(launch(program, arguments, samples_a_launch(launches)))
    return [results.merge(written[program]) for program in programs]

"""How a peer's process talks: one JSON object a line, requests in, answers out.

    {"prepare": work}  ->  {"values": [...]}, what the work computes, or {"missing": why}
    {"time": calls}    ->  {"seconds": s}, for so many calls of the prepared work

The first line that a process writes says who it is: {"peer": name, "version": text}.
"""

import json
import subprocess
import sys
import time


def serve(peer, version, works):
    """works: {name: function that prepares and returns (call, values)}; call() does the work once."""
    def say(**answer):
        print(json.dumps(answer), flush=True)

    say(peer=peer, version=version)
    call = None
    for line in sys.stdin:
        request = json.loads(line)
        if "prepare" in request:
            call = None
            if request["prepare"] not in works:
                say(missing="has no such work")
                continue
            call, values = works[request["prepare"]]()
            say(values=[float(v) for v in values])
        else:
            start = time.perf_counter()
            for _ in range(request["time"]):
                call()
            say(seconds=time.perf_counter() - start)


class PeerError(RuntimeError):
    """A peer's process cannot be started, or ended early."""


class Peer:
    """A process that serves, from the other side."""

    def __init__(self, command, **options):
        try:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=subprocess.PIPE, text=True, **options)
        except OSError as error:
            raise PeerError(str(error)) from error
        hello = self.answer()
        self.name, self.version = hello["peer"], hello["version"]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            complaint = self.process.stderr.read().strip().splitlines()
            raise PeerError(complaint[-1] if complaint else f"ended with status {self.process.returncode}")
        return json.loads(line)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()
        self.process.stderr.close()

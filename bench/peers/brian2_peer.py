#!/usr/bin/env python3
"""Brian2 in one of its targets, the first argument: numpy, cython, or standalone (C++).

A call runs the network once; construction and code generation are not timed. The standalone target's
call is the compiled program's own run, its process start included.
"""

import os
import subprocess
import sys
import tempfile

import brian2 as b2
import numpy as np
import protocol
import works

target = sys.argv[1]
if target == "standalone":
    folder = tempfile.mkdtemp(prefix="brian2-")
    b2.set_device("cpp_standalone", directory=folder, build_on_run=False)
else:
    b2.prefs.codegen.target = target
b2.defaultclock.dt = 1 * b2.ms


def lif_population():
    ms = b2.ms
    group = b2.NeuronGroup(works.POPULATION, "dv/dt = (-65 - v + drive)/(20*ms) : 1 (unless refractory)\ndrive : 1 (constant)",
                           threshold="v > -50", reset="v = -65", refractory=2 * ms, method="exact")
    group.v = -65
    group.drive = np.linspace(10, 40, works.POPULATION)
    monitor = b2.SpikeMonitor(group)
    network = b2.Network(group, monitor)
    duration = works.POPULATION_STEPS * ms
    if target == "standalone":
        network.run(duration)
        b2.device.build(directory=folder, compile=True, run=True, debug=False)
        program = os.path.join(folder, "main")
        return (lambda: subprocess.run([program, "results/"], cwd=folder, check=True, stdout=subprocess.DEVNULL),
                [int(monitor.num_spikes)])
    network.store()

    def run():
        network.restore()
        network.run(duration)

    run()
    return run, [int(monitor.num_spikes)]


protocol.serve(f"Brian2 {target}", b2.__version__, {"lif-population": lif_population})

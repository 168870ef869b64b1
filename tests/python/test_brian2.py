"""The built-in rules against Brian2 (Debian: python3-brian), which shares no code with us.

`make test-peers` installs it; without it these tests are skipped by name. Both simulate one neuron with a
steady input; membranes agree to 1e-9 before the first spike, spikes fall into the same steps.
"""

import re

import numpy as np
import pytest

import bitaxon as bx

brian2 = pytest.importorskip("brian2", reason="Brian2 is not installed (python3-brian)")
brian2.prefs.codegen.target = "numpy"

# Input, step and number of steps with which each rule spikes. Brian2's exact solver refuses IF and CubaLIF.
RUNS = {
    "IF": (1.0, 1e-4, 2000),
    "LIF": (20.0, 1e-4, 2000),
    "CubaLIF": (20.0, 1e-4, 2000),
    "ALIF": (22.0, 1e-4, 2000),
    "QIF": (20.0, 1e-4, 2000),
    "EIF": (20.0, 1e-4, 2000),
    "AdEx": (800.0, 1e-4, 3000),
    "Izhikevich": (10.0, 1e-4, 3000),
    "Hodgkin-Huxley": (10.0, 1e-5, 5000),
    "FitzHugh-Nagumo": (0.5, 1e-5, 9000),
    "Morris-Lecar": (100.0, 1e-5, 9000),
    "Hindmarsh-Rose": (3.0, 1e-5, 6000),
}
CASES = (
    [(name, method) for name in RUNS for method in ("euler", "rk4")]
    + [("LIF", "exact"), ("Hodgkin-Huxley", "exponential_euler")]
)

# Names with a meaning of their own in Brian2.
TAKEN = {"i": "i_input", "ms": "ms_"}


def renamed(text):
    text = re.sub(r"\b(i|ms)\b", lambda match: TAKEN[match[0]], text)
    return text.replace("^", "**")


def brian_equations(rule):
    """Our equations without declarations, in Brian2's grammar: time has a unit, all else none."""
    lines = []
    for line in rule.equations.splitlines():
        if re.match(r"\s*\w+\s*:", line):
            continue
        flag = " (unless refractory)" if "(unless refractory)" in line else ""
        line = renamed(line.replace("(unless refractory)", "").strip())
        if line.startswith("d") and "/dt" in line.split("=")[0]:
            left, right = line.split("=", 1)
            lines.append(f"{left}= ({right})/second : 1{flag}")
        elif line:
            lines.append(f"{line} : 1")
    return "\n".join(lines)


def brian_run(rule, method, current, dt, steps):
    names = {TAKEN.get(name, name): value for name, value in rule.parameters.items()}
    names["i_input"] = current
    reset = {"value": "v = v_reset", "none": ""}.get(rule.reset, renamed(rule.reset))
    refractory = rule.refractory
    seconds = names[refractory] if isinstance(refractory, str) and refractory else refractory or 0
    period = {"refractory": seconds * brian2.second} if seconds else {}
    brian2.start_scope()
    brian2.defaultclock.dt = dt * brian2.second
    group = brian2.NeuronGroup(1, brian_equations(rule), threshold=renamed(rule.threshold),
                               reset=reset.replace("; ", "\n"), method=method, namespace=names,
                               **period)
    start = bx.Population(1, rule, dt=dt)
    for variable in start.variables:
        if variable in group.variables:
            setattr(group, variable, float(getattr(start, variable)[0]))
    trace = brian2.StateMonitor(group, "v", record=True)
    spikes = brian2.SpikeMonitor(group)
    network = brian2.Network(group, trace, spikes)
    network.run(steps * dt * brian2.second, namespace={})
    return np.asarray(trace.v[0]), np.rint(np.asarray(spikes.t) / dt).astype(int)


@pytest.mark.parametrize(("name", "method"), CASES)
def test_agrees_with_brian2(name, method):
    current, dt, steps = RUNS[name]
    built_in = bx.rules[name]
    rule = bx.Rule(built_in.equations, threshold=built_in.threshold, reset=built_in.reset,
                   refractory=built_in.refractory or 0, method=method)
    population = bx.Population(1, rule, dt=dt, seed=1)
    population.record(["v"], [0])
    spikes = population.run(current, steps)
    mine = np.asarray(population.recording["v"])[:, 0]
    my_steps = np.asarray(spikes.step)
    theirs, their_steps = brian_run(rule, method, current, dt, steps)

    assert len(their_steps) >= 1, "a run without spikes shows little"
    first = their_steps[0]
    scale = np.maximum(np.abs(theirs[: first + 1]), 1)
    assert np.max(np.abs(mine[: first + 1] - theirs[: first + 1]) / scale) <= 1e-9
    np.testing.assert_array_equal(my_steps, their_steps)

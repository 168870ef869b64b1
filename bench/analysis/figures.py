"""The report's pictures, as SVG whose colours the page's style sheet gives: see COLOURS and page.css."""

import io
import math
import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

from . import results, samples, scaling, thresholds  # noqa: E402

# Matplotlib draws in these; the page replaces each by a variable, so that dark mode costs no second set.
COLOURS = {"ink": "#000001", "muted": "#000002", "grid": "#000003", "accent": "#000004", "soft": "#000005",
           "warm": "#000006"}
TIER_COLOURS = {"portable": "#000010", "popcnt": "#000011", "neon": "#000012", "avx2": "#000012",
                "avx512f": "#000013", "avx512bw": "#000014", "avx512-vpopcntdq": "#000015"}
VARIABLES = {**{code: f"var(--{name})" for name, code in COLOURS.items()},
             **{f"#0000{10 + k}": f"var(--tier-{k})" for k in range(6)}}
MOST_POINTS = 150  # of one plot
WIDTH = 9.2  # inches; the page scales pictures to its own width

plt.rcParams.update({
    "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": COLOURS["muted"],
    "axes.labelcolor": COLOURS["muted"], "axes.titlecolor": COLOURS["ink"], "text.color": COLOURS["ink"],
    "axes.titlesize": 9.5, "axes.titlelocation": "left", "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"], "axes.grid": True, "grid.color": COLOURS["grid"],
    "grid.linewidth": 0.6, "axes.axisbelow": True, "figure.constrained_layout.use": True,
    "lines.linewidth": 1.6, "legend.frameon": False, "legend.fontsize": 8.5,
})


def svg(figure, name):
    """Inline SVG; `name` keeps the ids of two pictures on one page apart."""
    out = io.StringIO()
    with plt.rc_context({"svg.hashsalt": name}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = out.getvalue()
    text = text[text.index("<svg"):]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # names of groups, the same in every picture
    text = re.sub(r'(<svg [^>]*?) height="[^"]*pt"', r"\1", text, count=1)
    text = re.sub(r'(<svg [^>]*?) width="[^"]*pt"', r"\1", text, count=1)
    text = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    return re.sub(r"#0000[01]\d", lambda match: VARIABLES[match[0]], text).strip()


def short(name):
    """An id without its group and tier."""
    _, operation, _, size = name.split("/", 3)
    return f"{operation} {size}"


def tier_of(name):
    return name.split("/")[2]


def barh_axes(count, width=WIDTH):
    figure, axes = plt.subplots(figsize=(width, 0.5 + 0.23 * max(count, 2)))
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelcolor=COLOURS["ink"])
    axes.set_ylim(count - 0.4, -0.6)
    return figure, axes


def violins(rows, name):
    """rows: (id, result). Samples of each id around their median."""
    figure, axes = barh_axes(len(rows))
    limit = 1.0
    for k, (_, result) in enumerate(rows):
        chosen = samples.usable(results.launches_of(result))
        percent = 100 * (np.concatenate([launch.per_call for launch in chosen]) / result["median_ns"] - 1)
        low, high = np.percentile(percent, [1, 99])
        limit = max(limit, abs(low), abs(high))
        body = np.clip(percent, low, high)
        if np.ptp(body) > 1e-9:
            parts = axes.violinplot(body, [k], vert=False, widths=0.85, showextrema=False, points=80)
            for part in parts["bodies"]:
                part.set(facecolor=COLOURS["accent"], edgecolor="none", alpha=0.45)
        interval = 100 * (np.array(result["ci95_ns"]) / result["median_ns"] - 1)
        axes.plot(interval, [k, k], color=COLOURS["ink"], lw=2.4, solid_capstyle="butt")
        axes.plot(0, k, "o", ms=3, color=COLOURS["ink"])
    axes.set_yticks(range(len(rows)), [short(i) for i, _ in rows])
    axes.set_xlim(-min(limit, 30) * 1.05, min(limit, 30) * 1.05)
    axes.set_xlabel("percent from the median; the bar is its 95 % interval")
    return svg(figure, name)


def points(launches):
    """Iterations and nanoseconds of MOST_POINTS rounds at most, evenly chosen."""
    iterations = np.concatenate([k.iterations for k in launches])
    nanoseconds = np.concatenate([k.nanoseconds for k in launches])
    step = -(-iterations.size // MOST_POINTS)
    return iterations[::step], nanoseconds[::step]


def regressions(rows, name):
    """Small multiples: time over iterations, with the fitted line."""
    columns = 3
    lines = math.ceil(len(rows) / columns)
    figure, grid = plt.subplots(lines, columns, figsize=(WIDTH, 1.9 * lines), squeeze=False)
    for axes in grid.flat[len(rows):]:
        axes.set_visible(False)
    for axes, (identity, result) in zip(grid.flat, rows):
        launches = results.launches_of(result)
        chosen = samples.usable(launches)
        iterations, nanoseconds = points(launches)
        kept_iterations, kept = points(chosen)
        scale, unit = next((s, u) for s, u in ((1e3, "us"), (1e6, "ms"), (1e9, "s"))
                           if kept.max() < 1000 * s or u == "s")
        axes.plot(iterations, nanoseconds / scale, ".", ms=2.5, color=COLOURS["soft"], zorder=1)
        axes.plot(kept_iterations, kept / scale, ".", ms=3.5, color=COLOURS["accent"], zorder=2)
        reach = np.array([0, iterations.max()])
        axes.plot(reach, reach * result["slope_ns"] / scale, color=COLOURS["ink"], lw=1.2, zorder=3)
        axes.set(xlim=(0, reach[1] * 1.03), ylim=(0, kept.max() / scale * 1.35), xlabel="iterations",
                 ylabel=unit)
        axes.set_title(short(identity))
        axes.locator_params(nbins=4)
    return svg(figure, name)


def tier_bars(table, tiers, inherited, name):
    """table: {"operation size": {tier: throughput}}, inherited: {(operation, tier): tier of the code}.

    Bars relative to the slowest tier. A tier that runs another's code is named, not drawn.
    """
    bars, ticks, at = [], [], 0.0
    for row_name, row in table.items():
        base = row[next(t for t in tiers if t in row)]
        first = at
        for tier in tiers:
            if tier in row:
                bars.append((at, row[tier] / base, tier, f" {row[tier] / base:.1f}"))
            elif (origin := inherited.get((row_name.split()[0], tier))) is not None:
                bars.append((at, 1, tier, f" {tier}: the code of {origin}"))
            else:
                continue
            at += 1
        ticks.append(((first + at - 1) / 2, row_name))
        at += 0.7
    figure, axes = plt.subplots(figsize=(WIDTH, 0.7 + 0.15 * at))
    axes.grid(axis="y", visible=False)
    for place, width, tier, text in bars:
        axes.barh(place, width - 1, 0.86, left=1, color=TIER_COLOURS[tier])
        axes.text(max(width, 1), place, text, va="center", fontsize=7, color=COLOURS["muted"])
    axes.set_yticks(*zip(*ticks))
    axes.tick_params(axis="y", length=0, labelcolor=COLOURS["ink"])
    axes.spines["left"].set_visible(False)
    axes.set_ylim(at - 1, -0.8)
    # Bars of a logarithmic axis begin at 1, the slowest tier, but a tier may lose to it as well.
    axes.set_xscale("log", base=2)
    axes.set_xlim(min(0.5, *(0.8 * width for _, width, _, _ in bars)), 2 * max(b[1] for b in bars))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.axvline(1, color=COLOURS["muted"], lw=0.8)
    axes.set_xlabel("throughput, times the slowest tier's (logarithmic)")
    for tier in tiers:
        axes.barh(0, 0, color=TIER_COLOURS[tier], label=tier)
    axes.legend(loc="lower right")
    return svg(figure, name)


def roofline(rows, name):
    """Share of the measured limit; which limit stands at the right."""
    figure, axes = barh_axes(len(rows))
    reach = max(110, *(110 * r["share_of_limit"] for _, r in rows))
    for k, (identity, result) in enumerate(rows):
        share = 100 * result["share_of_limit"]
        axes.barh(k, share, 0.7, color=TIER_COLOURS[tier_of(identity)])
        axes.plot([100 * x for x in result["share_of_limit_ci95"]], [k, k], color=COLOURS["ink"], lw=1.2)
        axes.text(reach, k, f"{share:.0f} % of {result['limit_name']}", va="center", fontsize=7.5,
                  color=COLOURS["muted"])
    axes.axvline(100, color=COLOURS["warm"], lw=1.2)
    axes.set_yticks(range(len(rows)), [short(i) for i, _ in rows])
    axes.set_xlim(0, reach * 1.42)
    axes.set_xticks([t for t in axes.get_xticks() if t <= reach])
    axes.set_xlabel("percent of the limit that was measured in the same rounds")
    return svg(figure, name)


def scaling_plot(series, name):
    """log-log: time over value, with the exponent of the upper half."""
    columns = 2
    lines = math.ceil(len(series) / columns)
    figure, grid = plt.subplots(lines, columns, figsize=(WIDTH, 2.6 * lines), squeeze=False)
    for axes in grid.flat[len(series):]:
        axes.set_visible(False)
    for axes, one in zip(grid.flat, series):
        found = scaling.tail(one.values, one.times)
        line = np.array([found.from_value, found.to_value])
        end = one.times[-1] * (line / one.values[-1]) ** found.exponent
        axes.loglog(one.values, one.times / 1e3, "o-", ms=4, color=COLOURS["accent"])
        axes.loglog(line, end / 1e3, "--", color=COLOURS["ink"], lw=1)
        axes.set(xlabel=one.over, ylabel="us")
        axes.set_title(f"{one.name.split('/', 1)[1]}: exponent {found.exponent:.2f} "
                       f"[{found.low:.2f}, {found.high:.2f}]")
        axes.minorticks_off()
    return svg(figure, name)


def crossover_plot(series, table, name):
    """gain or share over value, with the code's threshold and the measured crossing."""
    columns = 2
    lines = math.ceil(len(series) / columns)
    figure, grid = plt.subplots(lines, columns, figsize=(WIDTH, 2.4 * lines), squeeze=False)
    for axes in grid.flat[len(series):]:
        axes.set_visible(False)
    for axes, one in zip(grid.flat, series):
        field = "gain" if "gain" in table[one.ids[0]] else "share_of_limit"
        ratios = [table[i][field] for i in one.ids]
        axes.semilogx(one.values, ratios, "o-", ms=4, color=COLOURS["accent"])
        axes.axhline(1, color=COLOURS["muted"], lw=0.8)
        threshold = thresholds.of_series(one.name)
        if threshold:
            axes.axvline(thresholds.value_in_code(threshold), color=COLOURS["warm"], lw=1.2, ls="--")
        axes.set(xlabel=one.over, ylabel=field.replace("_", " "), ylim=(0, max(1.1, *ratios) * 1.1))
        axes.set_title(one.name.split("/", 1)[1])
        axes.set_xticks(one.values, [compact(v) for v in one.values])
        axes.minorticks_off()
    return svg(figure, name)


def compact(value):
    for unit in ("", "k", "M", "G"):
        if value < 10000 or unit == "G":
            return f"{value:.4g}{unit}"
        value /= 1000
    return ""


def history(points, groups, name):
    """points: names in order; groups: {group: (points, ids) array of times relative to the first}."""
    columns = 3
    lines = math.ceil(len(groups) / columns)
    figure, grid = plt.subplots(lines, columns, figsize=(WIDTH, 2.0 * lines), squeeze=False, sharex=True)
    for axes in grid.flat[len(groups):]:
        axes.set_visible(False)
    for axes, (group, values) in zip(grid.flat, groups.items()):
        percent = 100 * (values - 1)
        axes.plot(percent, color=COLOURS["soft"], lw=0.5)
        axes.plot(np.median(percent, axis=1), "o-", ms=4, color=COLOURS["accent"])
        reach = max(10.0, float(np.percentile(np.abs(percent), 95)))
        axes.set(ylim=(-reach, reach), ylabel="%")
        axes.set_xticks(range(len(points)), points, rotation=20, ha="right")
        axes.set_title(f"{group} ({values.shape[1]})")
    return svg(figure, name)

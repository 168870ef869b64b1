"""One HTML page from a merged result: nothing outside the file is needed to read it.

Pictures are inline SVG, colours come from page.css for light and for dark, and there is no script.
"""

import html
import pathlib

import numpy as np

from . import compare, figures, scaling, thresholds

CSS = pathlib.Path(__file__).with_name("page.css")
QUESTIONS = {  # of the groups, as README.md has them
    "probes": "What can this machine do?",
    "kernels": "How close is each kernel to its limit?",
    "encode": "How much of its random words does encoding turn into bits?",
    "dense": ("How close do the forward paths come to counting at full speed, and what do they add "
              "to their parts?"),
    "conv2d": ("How close does a direct convolution come to counting at full speed, and a pool to "
               "encoding?"),
    "workloads": ("What do UnarySim's own workloads take (FSULinear, FSUConv2d, FSUDiv), a function "
                  "of finite state, and SCC of all pairs?"),
    "recurrent": "How close do steps with a state come to counting at full speed?",
    "attention": "How much of its time does attention spend on drawing bits?",
    "graph": ("How close do products of nodes come to counting at full speed, and what do edges "
              "add?"),
    "scaling": "How does a dense layer grow with samples, length, its own size and threads?",
    "crossover": ("Where does each threshold of the code lie against the point at which its other "
                  "side wins?"),
    "expressions": ("How near are expressions to the memory that they read and write, and what does "
                    "compiling cost?"),
    "neurons": ("How near do neurons come to the arithmetic that their steps take, and what does "
                "compiling a rule cost?"),
    "plasticity": ("How near does learning from spikes come to moving the weights that it changes, "
                   "and to drawing the chances of bits?"),
    "runtime": ("What do tasks, coroutines, futures and their cancelling cost, and does work "
                "spread?"),
}
MOST_ROWS = 36         # of a picture; tables have all
MOST_REGRESSIONS = 9


def escape(text):
    return html.escape(str(text))


def figure(svg, caption):
    return (f'<figure role="img" aria-label="{escape(caption)}">{svg}'
            f"<figcaption>{escape(caption)}</figcaption></figure>")


def table(head, rows):
    """Cells are HTML."""
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="panel"><table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table></div>'


def groups_of(results):
    out = {}
    for name, result in results.items():
        out.setdefault(name.split("/")[0], []).append((name, result))
    return out


def tiers_of(merged):
    return [t for t, state in merged["environment"]["tiers"].items() if state == "supported"]


def spread_out(rows, most):
    """At most so many rows, one size of each operation before the next."""
    seen = {}
    ranked = sorted(range(len(rows)), key=lambda k: (
        seen.setdefault(rows[k][0].split("/")[1], []).append(k) or len(seen[rows[k][0].split("/")[1]]), k))
    return [rows[k] for k in sorted(ranked[:most])]


def environment_section(merged):
    environment = merged["environment"]
    tiers = ", ".join(f"{t} ({s})" if s != "supported" else t for t, s in environment["tiers"].items())
    shown = {**environment, "tiers": tiers,
             "cache_bytes": ", ".join(f"L{k + 1} {b // 1024} KiB"
                                      for k, b in enumerate(environment["cache_bytes"])),
             "commit": environment.get("commit", "unknown") + (", with changes" if environment.get("dirty")
                                                               else "")}
    rows = [[escape(field.replace("_", " ")), f'<span class="text">{escape(value)}</span>']
            for field, value in shown.items() if field != "dirty"]
    return ('<h2 id="environment">Environment</h2>'
            + table(["", ""], rows).replace("<td><span", '<td class="text"><span'))


def tiles(merged, comparison):
    results = merged["results"]
    shares = [r["share_of_limit"] for r in results.values() if r.get("share_of_limit")]
    tile = [(len(results), "benches, each checked first"),
            (merged["environment"]["launches"], "launches"),
            (f"{sum(r['samples'] for r in results.values()):,}", "samples"),
            (f"{100 * np.mean([r['disturbed'] for r in results.values()]):.0f} %",
             "of rounds disturbed, and left out"),
            (f"{100 * np.median(shares):.0f} %" if shares else "-", "median share of the limit")]
    if comparison:
        tile += [(len(comparison.with_word("regressed")), "regressed"),
                 (len(comparison.with_word("improved")), "improved")]
    return '<div class="tiles">' + "".join(
        f'<div class="tile"><b>{value}</b><span>{escape(text)}</span></div>' for value, text in tile) + "</div>"


def comparison_section(comparison, name):
    changed = [c for c in comparison.changes if c.word in ("regressed", "improved")]
    rows = [[escape(c.name), compare.time_text(c.baseline_ns), compare.time_text(c.new_ns),
             f'<span class="{c.word}">{c.percent:+.1f} %</span>', f"{c.low:+.1f} ... {c.high:+.1f} %",
             f"{c.p:.3f}", f'<span class="{c.word}">{c.word}</span>']
            for c in sorted(changed, key=lambda c: -c.percent)]
    counts = (f"{len(comparison.with_word('no change'))} ids did not change. The controls moved by "
              f"{comparison.drift_percent:+.1f} % in the median; the results differ by {comparison.noise:.1f} "
              "times what launches of one result do.")
    body = table(["id", "before", "now", "change", "95 % interval", "p", ""], rows) if rows else (
        "<p>Nothing regressed and nothing improved.</p>")
    warnings = "".join(f'<p class="note">Different: {escape(w)}</p>' for w in comparison.warnings)
    return f'<h2 id="changes">Against {escape(name)}</h2><p class="lead">{escape(counts)}</p>{body}{warnings}'


def history_section(merged, history):
    points = [*history, ("now", merged)]
    common = [name for name in merged["results"]
              if all(name in result["results"] for _, result in history)]
    if not history or not common:
        return ""
    groups = {}
    for group, rows in groups_of({n: merged["results"][n] for n in common}).items():
        times = np.array([[result["results"][name]["median_ns"] for name, _ in rows] for _, result in points])
        groups[group] = times / times[0]
    picture = figures.history([name for name, _ in points], groups, "history")
    return ('<h2 id="history">History</h2>' + figure(
        picture, "Time against the oldest baseline, in percent. Thin: each id; thick: their median."))


def result_rows(rows, comparison):
    words = {c.name: c for c in comparison.changes} if comparison else {}
    for name, r in rows:
        share = r.get("share_of_limit")
        bar = (f"{100 * share:.0f} %<span class=\"bar\"><i style=\"width:{min(100, 100 * share):.0f}%\"></i>"
               "</span>") if share else ""
        outliers = r["outliers"]
        peer = f"{r['peer_ns'] / r['median_ns']:.2f} times" if "peer_ns" in r else ""
        change = words.get(name)
        yield [escape(name), compare.time_text(r["median_ns"]),
               f"&#177;{100 * (r['ci95_ns'][1] - r['ci95_ns'][0]) / 2 / r['median_ns']:.1f} %",
               compare.time_text(r["slope_ns"]), compare.time_text(r["mad_ns"]),
               f"{r['throughput']:.4g} {escape(r['unit'])}", bar,
               f"{outliers['low_severe'] + outliers['low_mild']} / "
               f"{outliers['high_mild'] + outliers['high_severe']} of {r['samples']}", peer,
               f'<span class="{change.word.replace(" ", "-")}">{change.percent:+.1f} %</span>' if change else ""]


RESULT_HEAD = ["id", "median", "95 %", "slope", "MAD", "throughput", "share of limit", "outliers low / high",
               "peer / ours", "change"]


def tier_table(rows, tiers):
    """{"operation size": {tier: throughput}} of what runs on two tiers or more."""
    found = {}
    for name, r in rows:
        found.setdefault(figures.short(name), {})[figures.tier_of(name)] = r["throughput"]
    return {key: row for key, row in found.items() if len([t for t in tiers if t in row]) > 1}


def group_section(group, rows, merged, comparison):
    tiers = tiers_of(merged)
    top = [(n, r) for n, r in rows if figures.tier_of(n) == tiers[-1]] or rows
    inherited = {tuple(key.split("/")[1:3]): origin for key, origin in merged["inherited"].items()
                 if key.split("/")[0] == group}
    out = [f'<h2 id="{group}">{escape(group)}</h2><p class="lead">{escape(QUESTIONS.get(group, ""))}</p>']
    limited = spread_out([(n, r) for n, r in top if r.get("share_of_limit")], MOST_ROWS)
    if limited:
        out.append(figure(figures.roofline(limited, f"{group}-roofline"),
                          f"Share of the measured limit, {tiers[-1]}, with 95 % intervals."))
    by_tier = tier_table(rows, tiers)
    if by_tier:
        largest = dict(list(by_tier.items())[-MOST_ROWS:])
        out.append(figure(figures.tier_bars(largest, tiers, inherited, f"{group}-tiers"), "Tier by tier."))
    drawn = spread_out(top, MOST_ROWS)
    out.append(figure(figures.violins(drawn, f"{group}-samples"),
                      f"How the samples of each id spread, {tiers[-1]}."))
    out.append(figure(figures.regressions(spread_out(top, MOST_REGRESSIONS), f"{group}-lines"),
                      "Time over iterations; pale points are disturbed rounds, the line is the slope."))
    out.append(f"<details><summary>All {len(rows)} results</summary>"
               + table(RESULT_HEAD, result_rows(rows, comparison)) + "</details>")
    return "".join(out)


def scaling_section(merged):
    series = scaling.series_of(merged["results"])
    growing = [s for s in series if s.group != "crossover"]
    crossing = [s for s in series if s.group == "crossover"]
    out = []
    if growing:
        out.append('<h2 id="exponents">Scaling</h2>' + figure(
            figures.scaling_plot(growing, "exponents"),
            "Time over size. The dashed line is the power law of the upper half, with its 95 % interval."))
    if crossing:
        rows = []
        for one in crossing:
            field = "gain" if "gain" in merged["results"][one.ids[0]] else "share_of_limit"
            found = scaling.crossover(one.values, [merged["results"][i][field] for i in one.ids])
            threshold = thresholds.of_series(one.name)
            rows.append([escape(one.name), escape(one.over),
                         f"{thresholds.value_in_code(threshold):,.0f}" if threshold else "",
                         f"{found:,.0f}" if found and field == "gain" else "",
                         escape(threshold.meaning) if threshold else ""])
        out.append('<h2 id="thresholds">Thresholds</h2>' + figure(
            figures.crossover_plot(crossing, merged["results"], "crossover"),
            "Gain of all threads over one, or share of the limit, around each threshold (dashed).")
            + table(["series", "over", "in the code", "gains from", ""], rows))
    return "".join(out)


def page(merged, comparison=None, baseline_name=None, history=()):
    """The whole page as text."""
    groups = groups_of(merged["results"])
    environment = merged["environment"]
    sections = []
    if comparison:
        sections.append(comparison_section(comparison, baseline_name))
    sections += [group_section(g, rows, merged, comparison) for g, rows in groups.items()]
    sections += [scaling_section(merged), history_section(merged, list(history)), environment_section(merged)]
    links = [*(["changes"] if comparison else []), *groups,
             *(name for name in ("exponents", "thresholds", "history", "environment")
               if any(f'id="{name}"' in s for s in sections))]
    tiers = [what.removeprefix("tier ") for what in merged["skipped"] if what.startswith("tier ")]
    skipped = f'<p class="note">Not run, because this machine or build lacks the tier: {escape(", ".join(tiers))}</p>' if (
        tiers) else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>Bitaxon benches</title>
<style>{CSS.read_text(encoding="utf-8")}</style></head><body><main>
<h1>Bitaxon benches</h1>
<p class="lead">{escape(environment["cpu"])}, {escape(environment["date"])}, commit
{escape(environment.get("commit", "unknown")[:12])}{" with changes" if environment.get("dirty") else ""},
{"quick" if environment["quick"] else "full"} run</p>
<nav>{"".join(f'<a href="#{link}">{link}</a>' for link in links)}</nav>
{tiles(merged, comparison)}{skipped}
{"".join(sections)}
</main></body></html>
"""


def write(path, merged, comparison=None, baseline_name=None, history=()):
    pathlib.Path(path).write_text(page(merged, comparison, baseline_name, history), encoding="utf-8")

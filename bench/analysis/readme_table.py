"""The README's performance tables, from a small summary of result files that is kept in the repository.

`summarise` takes from a bench of everything the best and the worst of each group on the best tier, and
all rows of the head to head, slower ones included; `render` writes them as Markdown.
"""

import json
import pathlib

from . import compare

ROOT = pathlib.Path(__file__).parents[2]
SUMMARY = ROOT / "bench/results/summary.json"
README = ROOT / "README.md"
BEGIN = "<!-- written by bench/readme-table from bench/results/summary.json -->"
END = "<!-- end of bench/readme-table -->"
UNPUBLISHED = ("probes", "crossover")  # measure the machine, and thresholds


class TableError(ValueError):
    """The README has no place for the tables."""


def significant(value, digits=3):
    return float(f"{value:.{digits}g}")


def summarise(merged, peers=None):
    """What the README shows, and where it was measured."""
    environment = merged["environment"]
    tier = [t for t, state in environment["tiers"].items() if state == "supported"][-1]
    rows = []
    groups = {}
    for name, result in merged["results"].items():
        group, _, of, _ = name.split("/", 3)
        if of == tier and group not in UNPUBLISHED and result.get("share_of_limit"):
            groups.setdefault(group, []).append((result["share_of_limit"], name))
    for group, found in groups.items():
        found.sort()
        chosen = [found[-1], found[len(found) // 2], found[0]] if len(found) > 2 else found[::-1]
        for share, name in chosen:
            result = merged["results"][name]
            rows.append({"id": name, "ns": significant(result["median_ns"]),
                         "throughput": significant(result["throughput"]), "unit": result["unit"],
                         "share": significant(share), "limit": result["limit_name"]})
    kept = ("cpu", "date", "commit", "dirty", "compiler", "quick", "virtual_machine")
    summary = {"environment": {k: environment.get(k) for k in kept}, "tier": tier, "rows": rows}
    if peers:
        summary["peers"] = {"versions": peers["versions"], "missing": peers["missing"], "rows": [
            {"what": row["what"], "unit": row["unit"],
             "ours": significant(row["peers"]["Bitaxon"]["ns_a_unit"]),
             "others": {name: significant(peer["ratio"][0]) for name, peer in row["peers"].items()
                        if name != "Bitaxon"}}
            for row in peers["rows"] if "Bitaxon" in row["peers"]]}
    return summary


def render(summary):
    """Markdown, without the marks."""
    environment = summary["environment"]
    machine = environment["cpu"] + (", a virtual machine" if environment.get("virtual_machine") else "")
    lines = [f"On one core of an {machine}, tier `{summary['tier']}`, {environment['compiler']}: of each group "
             "the bench with the largest, the middle and the smallest share of its limit, which is measured in "
             "the same rounds.", "",
             "| bench | time | throughput | share of its limit |", "|---|---|---|---|"]
    lines += [f"| `{r['id']}` | {compare.time_text(r['ns'])} | {r['throughput']:g} {r['unit']} | "
              f"{100 * r['share']:.0f} % of {r['limit']} |" for r in summary["rows"]]
    if "peers" in summary:
        lines += ["", "Against others in one run, their turns interleaved, on one thread; above 1 they take longer "
                  "than Bitaxon, below 1 they are faster:", "", "| work | Bitaxon | others, times ours |", "|---|---|---|"]
        for row in summary["peers"]["rows"]:
            others = ", ".join(f"{name} {ratio:g}" + (" (faster)" if ratio < 1 else "")
                               for name, ratio in sorted(row["others"].items(), key=lambda pair: pair[1]))
            lines.append(f"| {row['what']} | {row['ours']:g} ns a {row['unit']} | {others} |")
        if summary["peers"]["missing"]:
            lines += ["", "Not there: " + "; ".join(summary["peers"]["missing"]) + "."]
    return "\n".join(lines)


def in_place(text, table):
    """The README's text with the table between its marks. @raises TableError without them"""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise TableError(f"README.md has no place between {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def read_summary():
    return json.loads(SUMMARY.read_text(encoding="utf-8"))

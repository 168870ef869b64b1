"""python -m bitaxon info: version, tiers and threads."""

import argparse
import sys

import bitaxon


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bitaxon", description=__doc__)
    parser.add_argument("--version", action="version", version=f"bitaxon {bitaxon.__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="what this build is and what it found on this machine")
    parser.parse_args()
    try:
        print(bitaxon.describe(), end="")
    except bitaxon.Error as error:  # BITAXON_TIER names a tier that is not here
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""The coefficient headers in git are what their scripts write: generated_headers.py ROOT"""

import subprocess
import sys
from pathlib import Path

HEADERS = {
    "math-coefficients": "coefficients.hpp",
    "math_circular.py": "circular_coefficients.hpp",
}


def main(root):
    stale = []
    for script, header in HEADERS.items():
        command = [sys.executable, str(root / "scripts" / script)]
        written = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        if written != (root / "jit/src/ir/math" / header).read_text(encoding="utf-8"):
            stale.append(f"{header}: differs from what scripts/{script} writes; run the script again")
    print("\n".join(stale))
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))

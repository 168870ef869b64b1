"""Results under a name, in build/baselines/."""

import pathlib
import re

from . import results

FOLDER = pathlib.Path(__file__).parents[2] / "build/baselines"


class Store:
    """A folder of results."""

    def __init__(self, folder=FOLDER):
        self.folder = pathlib.Path(folder)

    def path(self, name):
        if not re.fullmatch(r"[\w.-]+", name):
            raise results.ResultError(f"baseline {name!r}: letters, digits, '.', '_' and '-' make a name")
        return self.folder / f"{name}.json.gz"

    def save(self, name, result):
        self.folder.mkdir(parents=True, exist_ok=True)
        results.write(result, self.path(name))
        return self.path(name)

    def read(self, name):
        """A baseline by its name, or any result file by its path."""
        if "/" in name or name.endswith((".json", ".json.gz")):
            return results.read(name)
        if not self.path(name).is_file():
            known = ", ".join(self.names()) or "none"
            raise results.ResultError(f"no baseline {name!r}; there are: {known}")
        return results.read(self.path(name))

    def names(self):
        return sorted(path.name.removesuffix(".json.gz") for path in self.folder.glob("*.json.gz"))

    def history(self):
        """(name, result) of all baselines, oldest first."""
        found = [(name, self.read(name)) for name in self.names()]
        return sorted(found, key=lambda pair: pair[1]["environment"]["date"])


def add_arguments(parser):
    parser.add_argument("--save-baseline", metavar="NAME", help="keep the result under this name")
    parser.add_argument("--baseline", metavar="NAME", help="compare with this one, a name or a file")
    parser.add_argument("--baselines", type=pathlib.Path, default=FOLDER, help="their folder")

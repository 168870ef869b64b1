"""The page: complete in itself, and looked at in a browser."""

import html.parser
import re
import shutil
import subprocess

import numpy as np
import pytest

from analysis import compare, figures, report, thresholds

# What the recorded launches do not tell.
TOLD = {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": True, "governor": "performance",
        "libraries": "oneTBB 2021.8.0"}
WIDTH, HEIGHT = 1180, 3000


@pytest.fixture(scope="module")
def page(recorded):
    comparison = compare.compare(recorded["first"], recorded["slowed"])
    result = dict(recorded["slowed"], environment=dict(recorded["slowed"]["environment"], **TOLD))
    return report.page(result, comparison, "first", [("first", recorded["first"])])


class Checker(html.parser.HTMLParser):
    """Elements that are open, and what the page would fetch."""

    void = {"meta", "link", "br", "img", "input", "hr"}

    def __init__(self):
        super().__init__()
        self.open, self.fetched, self.tags = [], [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.fetched += [value for key, value in attrs
                         if key in ("src", "href", "xlink:href") and not value.startswith(("#", "data:"))]
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.void:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


def test_the_page_needs_nothing_else(page):
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert checker.fetched == []
    assert "script" not in checker.tags
    assert "@import" not in page and not re.search(r"url\((?!#)", page)


def test_the_page_says_what_was_measured_and_where(page, recorded):
    environment = recorded["slowed"]["environment"]
    for text in (environment["cpu"], environment["compiler"], TOLD["commit"], TOLD["libraries"],
                 TOLD["governor"], "kernels/popcount/avx2/16384", "regressed", "the code of portable"):
        assert text in page, text
    for group in ("probes", "kernels", "encode", "dense", "expressions"):
        assert f'id="{group}"' in page


def test_every_group_has_its_question(source):
    readme = (source / "bench/README.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^\| (\w+) \| (.+\?) \|$", readme, flags=re.MULTILINE)) == report.QUESTIONS
    assert {path.stem for path in (source / "bench/groups").glob("*.cpp")} == set(report.QUESTIONS)


def test_every_colour_follows_the_reader(page):
    assert not re.search(r"#0000[01]\d", page)
    svgs = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(svgs) > 10
    assert all("var(--" in s for s in svgs)


def test_ids_of_pictures_do_not_meet(page):
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_thresholds_stand_where_the_table_says(source):
    for threshold in thresholds.THRESHOLDS:
        assert thresholds.value_in_code(threshold, source) > 0
    assert thresholds.read_constant("constexpr std::size_t kA = 16 * 1'024;", "kA") == 16384
    with pytest.raises(thresholds.ThresholdError, match="kB"):
        thresholds.read_constant("constexpr std::size_t kA = 16;", "kB")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_it(page, tmp_path, scheme):
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("chromium is not installed: the page was not looked at")
    # A headless browser prefers light; the style sheet's dark half is made the only one.
    shown = page if scheme == "light" else page.replace("@media (prefers-color-scheme: dark)", "@media all")
    (tmp_path / "page.html").write_text(shown, encoding="utf-8")
    picture = tmp_path / "page.png"
    subprocess.run([chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                    "--disable-background-networking", "--disable-component-update", "--disable-sync",
                    f"--user-data-dir={tmp_path / 'profile'}", "--hide-scrollbars",
                    f"--window-size={WIDTH},{HEIGHT}", f"--screenshot={picture}",
                    (tmp_path / "page.html").as_uri()], check=True, capture_output=True, timeout=120)
    pixels = figures.plt.imread(picture)[:, :, :3]
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    paper = pixels[5, 5]
    assert (paper.mean() > 0.9) if scheme == "light" else (paper.mean() < 0.2)
    # Pictures fill the page down to the end of the window: no stretch of 400 lines is bare.
    inked = np.abs(pixels - paper).max(axis=2).max(axis=1) > 0.3
    bare = np.diff(np.flatnonzero(np.concatenate([[True], inked, [True]])))
    assert bare.max() < 400
    # Text and bars are there in both of their colours, not only one kind of ink.
    assert len(np.unique((pixels[::7, ::7] * 15).astype(int).reshape(-1, 3), axis=0)) > 20

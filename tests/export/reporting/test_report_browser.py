"""The page in a real browser: on a phone and a desk, by day and night, on paper."""

import struct
from pathlib import Path

import pytest

from keras_diffmask.export.reporting.css import DARK, LIGHT
from tests.export.reporting import browser as driver
from tests.export.reporting.samples import full, hostile, timing

SIZES = (390, 1280)
# What stands out at the right or the left, but within what scrolls by itself.
OUTSIDE = """
[...document.body.querySelectorAll("*")].filter(one => {
  if (one.closest(".scroll") && !one.matches(".scroll")) return false;
  const box = one.getBoundingClientRect();
  return box.width && (box.right > innerWidth + 0.5 || box.left < -0.5);
}).map(one => one.outerHTML.slice(0, 160))
"""
# Text that its own box cuts off or that leaves a tile.
SPILLED = """
[...document.querySelectorAll(".tile, .tile *, h1, .say, .chip, .name")].filter(
  one => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0
).map(one => one.outerHTML.slice(0, 160))
"""
CLOSE = 'document.querySelectorAll("details").forEach(one => one.open = false)'
OPEN = 'document.querySelectorAll("details").forEach(one => one.open = true)'


@pytest.fixture(scope="module")
def browser():
    if why := driver.missing():
        pytest.skip(why)
    with driver.chromium() as session:
        yield session


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages of reports")
    many = full(("dense", "pruned", "pruned_int8", "pruned_more", "a", "b", "c"))
    made = {
        "two": full(),
        "three": full(("dense", "pruned", "a_model_with_quite_a_long_name_indeed")),
        "many": many,
        "hostile": hostile(),
    }
    return {name: report.save(folder / f"{name}.html") for name, report in made.items()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("name", ["two", "three", "many", "hostile"])
def test_nothing_overflows(browser, pages, tmp_path, name, width, scheme):
    browser.look(pages[name], width, scheme)
    browser.value(OPEN)
    assert browser.value("innerWidth") == width
    assert browser.value("document.scrollingElement.scrollWidth") == width
    assert browser.value(OUTSIDE) == []
    assert browser.value(SPILLED) == []
    picture = tmp_path / f"{name}-{width}-{scheme}.png"
    picture.write_bytes(browser.picture())
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG")
    wide, high = struct.unpack(">II", content[16:24])
    assert wide == width and high > 2000


@pytest.mark.parametrize("width", SIZES)
def test_the_numbers_are_there_without_scripts(browser, pages, width):
    browser.look(pages["two"], width, "light")
    text = browser.value("document.body.innerText")
    for part in (
        "pruned: 0.40× the bytes of dense",
        "65,800 bytes",
        "859,024",
        "16 of 24",
        "3 closed, and kept",
        "99.43 %",
        "no kernel for GELU",
    ):
        assert part in text, part
    assert browser.value("document.scripts.length") == 0
    # What is folded away unfolds without a script too.
    browser.value(CLOSE)
    folded = browser.value("document.body.innerText")
    browser.value('document.querySelector("#latency summary").click()')
    assert len(browser.value("document.body.innerText")) > len(folded)


@pytest.mark.parametrize("name", ["two", "hostile"])
def test_nothing_is_asked_of_the_network(browser, pages, name):
    browser.look(pages[name], 1280, "light")
    assert browser.requests() == [pages[name].resolve().as_uri()]


def test_hostile_names_make_no_elements(browser, pages):
    browser.look(pages["hostile"], 390, "light")
    count = "document.querySelectorAll('img, script, iframe, [onload], [onerror]')"
    assert browser.value(f"{count}.length") == 0
    assert browser.value("document.styleSheets.length") == 1
    assert "<img src=x onerror=alert(1)>" in browser.value("document.body.innerText")


@pytest.mark.parametrize(
    ("scheme", "media", "colours"),
    [("light", "", LIGHT), ("dark", "", DARK), ("dark", "print", LIGHT)],
)
def test_colours_follow_the_scheme_and_paper_is_light(
    browser, pages, scheme, media, colours
):
    browser.look(pages["two"], 1280, scheme, media)
    found = browser.value("getComputedStyle(document.body).backgroundColor")
    paper = colours["paper"]
    numbers = [int(paper[i : i + 2], 16) for i in (1, 3, 5)]
    assert found == f"rgb({', '.join(map(str, numbers))})"


def test_bars_are_as_long_as_what_they_stand_for(browser, pages):
    browser.look(pages["two"], 1280, "light")
    wide = browser.value(
        '[...document.querySelectorAll("#size .fill")].map(one =>'
        "one.getBoundingClientRect().width)"
    )
    file = wide[:2]
    assert file[1] / file[0] == pytest.approx(26_320 / 65_800, abs=0.01)


def test_the_median_stands_where_the_axis_says(browser, pages):
    browser.look(pages["two"], 1280, "light")
    strip = "#latency figure:first-of-type .row"
    spots = browser.value(
        f'[...document.querySelectorAll("{strip} .mid")].map(one => {{'
        "const box = one.getBoundingClientRect(),"
        "whole = one.ownerSVGElement.getBoundingClientRect();"
        "return (box.left + box.width / 2 - whole.left) / whole.width})"
    )
    models = timing(("dense", "pruned"), "conv", 86.0, 1).models
    assert spots[1] / spots[0] == pytest.approx(
        models[1].median / models[0].median, abs=0.01
    )


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast_is_enough(colours):
    for ground in ("paper", "card"):
        for ink in ("ink", "soft", "good", "bad", "same", "s1"):
            assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)
        for mark in ("s0", "s1", "s2", "s3", "s4", "s5"):
            assert contrast(colours[mark], colours[ground]) >= 3, (mark, ground)
    for tone in ("good", "bad", "same"):
        assert contrast(colours[tone], colours[f"{tone}-ground"]) >= 4.5, tone

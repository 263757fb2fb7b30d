import re
import xml.etree.ElementTree as ET

import pytest

from hub_runtime.pages import Flame, bars, colour, flame, heat_map


def boxes(svg: str) -> list[dict[str, str]]:
    return [e.attrib for e in ET.fromstring(svg) if e.tag.endswith("rect")]  # noqa: S314  # we made it


def test_colours_run_from_dark_to_bright() -> None:
    assert [colour(x) for x in (-1, 0, 0.5, 1, 7)] == ["#440154", "#440154", "#21918c", "#fde725", "#fde725"]
    assert re.fullmatch("#[0-9a-f]{6}", colour(0.123))


def test_a_heat_map_is_logarithmic_and_shows_what_is_missing_or_wrong() -> None:
    svg = heat_map(["a", "b", "c"], [("one", [1, 10, 100]), ("two", [None, float("nan"), 0])])
    fills = [b["fill"] for b in boxes(svg)]
    assert fills == [colour(0), colour(0.5), colour(1), "#b00020", colour(0)]
    assert "1 (dark) to 100 (bright)" in svg
    assert "one, b: 10" in svg


def test_bars_are_as_long_as_their_numbers() -> None:
    widths = [float(b["width"]) for b in boxes(bars([("a", 2.0, "2 ms"), ("b", 1.0, "1 ms")]))]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.02)


def test_a_flame_has_its_parts_below_it() -> None:
    chart = flame([Flame("all", 4, [Flame("left", 1, []), Flame("right", 3, [Flame("inner", 2, [])])])])
    found: dict[str, list[tuple[float, float]]] = {b["y"]: [] for b in boxes(chart)}
    for box in boxes(chart):
        found[box["y"]].append((float(box["x"]), float(box["width"])))
    assert found == {"0": [(0, 959.5)], "18": [(0, 239.5), (240, 719.5)], "36": [(240, 479.5)]}


def test_what_a_model_names_is_no_markup() -> None:
    svg = bars([("</svg><script>", 1.0, "<&>")])
    assert "<script" not in svg
    assert len(boxes(svg)) == 1

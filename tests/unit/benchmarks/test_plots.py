from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from benchmarks.plots import write_clients, write_loads


def test_a_picture_is_a_file_of_its_own_in_both_colour_schemes(tmp_path: Path) -> None:
    points = [(1.0, 90.0), (2.0, 150.0), (4.0, 180.0)]
    write_clients(tmp_path / "clients.svg", points, points, points)
    write_loads(tmp_path / "load.svg", points, points)
    for name, words in (("clients.svg", {"texts/s", "● p99", "● p50"}), ("load.svg", {"latency, ms", "● p99"})):
        root = ET.fromstring((tmp_path / name).read_text("utf-8"))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        style = root.find("{http://www.w3.org/2000/svg}style")
        assert style is not None
        assert "prefers-color-scheme:dark" in (style.text or "")
        assert words <= {
            "".join(element.itertext()).strip() for element in root.iter("{http://www.w3.org/2000/svg}text")
        }

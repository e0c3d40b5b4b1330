"""`make soak`: hours of a data plane's life in one sitting. docs/benchmarks.md says what each line demands.

    python -m benchmarks.soak                200,000 requests and all hardships on the demonstration's model
    python -m benchmarks.soak --quick        a tenth of it

Run it on an idle machine; it ends with 1 where something is not met. `make test` runs the same on a tiny model.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.hardships import Check, Sizes, Subject, killed, overloaded, swapped, terminated
from benchmarks.machine import described
from benchmarks.material import MODEL, Material, expected_answers
from benchmarks.rollouts import rolled_out
from benchmarks.table import Figure, figure_table
from seatrial.bundle import Bundle, BundleIndex, write_bundle

ROOT = Path(__file__).parent.parent
_VERSIONS = ("1", "2", "3")
_QUICK = Sizes(requests=20_000, released=2_000, capacity_s=5.0, overload_s=15.0)


def main() -> None:
    """Soaks, prints, and says by its exit code whether all was met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, default=ROOT / "seatrial-demo", help="project of an earlier demo")
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests, a quarter of the overload")
    parser.add_argument("--out", type=Path, help="file to write the results into")
    arguments = parser.parse_args()
    material = Material.of(arguments.project)
    with tempfile.TemporaryDirectory(prefix="seatrial-soak-") as directory:
        checks = soaked(subject_of(material, Path(directory)), _QUICK if arguments.quick else Sizes())
    figures = [Figure(check.what, check.value, check.limit, check.met) for check in checks]
    command = f"python -m benchmarks.soak {' '.join(sys.argv[1:])}".strip()
    page = "\n".join(["# Soak", "", *described(command), "", *figure_table(figures)]) + "\n"
    print(page)
    if arguments.out is not None:
        arguments.out.write_text(page, "utf-8")
    sys.exit(0 if all(check.met for check in checks) else 1)


def soaked(subject: Subject, sizes: Sizes) -> list[Check]:
    """All hardships, one after the other, each with a process of its own."""
    checks: list[Check] = []
    for hardship in (swapped, rolled_out, overloaded, terminated, killed):
        print(f"{hardship.__name__} …", file=sys.stderr, flush=True)
        checks += hardship(subject, sizes)
        for check in checks[-8:]:
            print(f"  {check.what}: {check.value}", file=sys.stderr, flush=True)
    return checks


def subject_of(material: Material, directory: Path) -> Subject:
    """The demonstration's fp32 artifact as three versions of one model, which differ in nothing but their number.

    The tests soak versions that answer differently; here the answers tell requests apart, and `version` the versions.
    """
    original = Bundle.open(material.artifacts["onnx-fp32"])
    bundles = [_copy(original, version, directory) for version in _VERSIONS]
    project = project_of(MODEL, bundles, directory)
    answers = expected_answers(original, material.texts)
    return Subject(project, MODEL, _VERSIONS, material.texts, dict.fromkeys(_VERSIONS, answers), tolerance=1e-3)


def project_of(model: str, bundles: Sequence[Bundle], project: Path) -> Path:
    """A project that holds bundles and nothing else: all that serving needs."""
    (project / "seatrial.toml").write_text(f'[model]\nname = "{model}"\n', "utf-8")
    index = BundleIndex(project / ".seatrial" / "bundles")
    for bundle in bundles:
        index.add(bundle)
    return project


def _copy(original: Bundle, version: str, project: Path) -> Bundle:
    def fill(where: Path) -> None:
        for name in original.manifest.files:
            (where / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(original.directory / name, where / name)

    directory = project / ".seatrial" / "bundles" / MODEL / version / original.manifest.artifact.name
    return write_bundle(directory, replace(original.manifest, version=int(version)), fill)


if __name__ == "__main__":
    main()

"""The benchmarks are programs, not a package: they import each other from their own folders."""

import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

sys.path += [str(BENCHMARKS), str(BENCHMARKS / "peer")]

"""The one error of benchmarks."""

from __future__ import annotations


class BenchmarkError(Exception):
    """There is no figure: something ended, or did not happen in time. The message says what."""

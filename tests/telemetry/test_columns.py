from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from telemetry.columns import ColumnHistogram

_BOUNDS = (0.5, 1.0, 2.0)


@given(st.lists(st.lists(st.sampled_from([-1000, 0, 500, 501, 1000, 1500, 2000, 2500, 10**12]))))
def test_columns_are_counted_as_single_values_would_be(columns: list[list[int]]) -> None:
    histogram = ColumnHistogram("h", "Help.", _BOUNDS, per_unit=1000)
    registry = CollectorRegistry()
    registry.register(histogram)
    for column in columns:
        histogram.observe(np.array(column, np.int64))
    values = [value for column in columns for value in column]
    for bound in _BOUNDS:
        found = registry.get_sample_value("h_bucket", {"le": str(bound)})
        assert found == sum(value <= bound * 1000 for value in values)
    assert registry.get_sample_value("h_bucket", {"le": "+Inf"}) == len(values)
    assert registry.get_sample_value("h_count") == len(values)
    assert registry.get_sample_value("h_sum") == sum(values) / 1000

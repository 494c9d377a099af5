from __future__ import annotations

import pytest
from scipy import stats


def test_the_interval_is_student_s():
    from trials import percent

    values = [0.5, 0.6, 0.85]
    reach = stats.t.ppf(0.975, 2) * stats.sem(values)
    mean = sum(values) / 3
    shown = f"{100 * mean:.1f} [{100 * (mean - reach):.1f}, {100 * (mean + reach):.1f}]"
    assert percent(values) == shown


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0, 1.0]])
def test_where_all_agree_there_is_no_interval(values):
    from trials import percent

    assert percent(values) == "100.0"

from dataclasses import replace

from regard.bench.case import Case, shown


def test_a_case_in_one_line():
    case = Case(
        part="networks", mechanism="se", shape=(1, 3, 8, 8), layout="last", mode="training",
        host="small",
    )  # fmt: skip
    assert case.label == "se in small, 1×3×8×8, channels last, training"
    assert replace(case, layout="tokens", host="").label == "se, 1×3×8×8, training"
    assert shown([2, 3]) == "2×3"

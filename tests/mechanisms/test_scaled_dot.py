import torch

import regard


def test_it_is_the_dot_product_of_queries_divided_by_the_root_of_their_width(drawn):
    query, key, value = drawn(2, 4, 9), drawn(2, 5, 9, seed=2), drawn(2, 5, 6, seed=3)
    got = regard.get("scaled_dot")(query, key, value)
    torch.testing.assert_close(got, regard.get("dot")(query / 3, key, value))


def test_it_is_pytorchs_own(drawn):
    inputs = drawn(2, 4, 8), drawn(2, 5, 8, seed=2), drawn(2, 5, 6, seed=3)
    wanted = torch.nn.functional.scaled_dot_product_attention(*inputs)
    torch.testing.assert_close(regard.get("scaled_dot")(*inputs), wanted)


def test_it_has_no_parameters(count):
    assert count(regard.get("scaled_dot", 64)) == 0

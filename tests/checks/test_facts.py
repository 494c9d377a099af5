"""Gates that are not what their card says: each is caught by its rule."""

from dataclasses import replace

from regard.catalogue import card
from regard.checks import check


def test_biases_not_counted(caught, gate):
    caught("formula", gate, "the module has", parameters="2*C*max(1, C//4)")


def test_unknown_name_in_the_formula(caught, gate):
    caught("formula", gate, "no value for 'reduction'", parameters="2*C*C//reduction")


def test_start_at_one_half(caught, gate):
    class Broken(gate):
        def gate(self, x, mask):
            return super().gate(x, mask) * 0.5

    caught("identity", Broken, "the output is not the input")


def test_options_swallowed(caught, gate):
    class Broken(gate):
        def __init__(self, channels, **_):
            super().__init__(channels)

    caught("options", Broken, "swallow")


def test_assertion_on_the_input(caught, gate):
    class Broken(gate):
        def forward(self, x, mask=None):
            assert x.shape[1] == self.channels
            return super().forward(x, mask)

    caught("options", Broken, "17 channels where 16 are due: AssertionError")


def test_any_size(caught, gate):
    class Broken(gate):
        def __init__(self, channels):
            super().__init__(max(1, int(channels)))

    caught("options", Broken, "a size of 0 is taken")


def test_bibtex_without_an_end(caught, gate):
    caught("card", gate, "bibtex", bibtex="@misc{able, title = {Gate}, year = {2024}")


def test_bibtex_without_an_author(caught, gate):
    caught("card", gate, "bibtex has no author", bibtex="@misc{a, title={G}, year={2024}}")


def test_paper_without_a_kind(caught, gate):
    caught("card", gate, "is no arXiv", paper="1910.3151")


def test_another_year(caught, gate):
    caught("card", gate, "year 2023", year=2023)


def test_option_that_is_none(caught, gate):
    class Broken(gate):
        def __init__(self, channels, reduction_=4):
            super().__init__(channels)

    caught("card", Broken, "the constructor takes no 'reduction'", options={"reduction": 4})


def test_waiver_of_no_rule(caught, gate):
    caught("card", gate, "no rule 'gradchek'", waives={"gradchek": "misspelt"})


def test_alias_in_another_style(caught, gate):
    caught("card", gate, "lower case", aliases=("Gate-2",))


def test_slow_part_that_is_none(caught, gate):
    caught("card", gate, "no parameter's name has 'loc' in it", slow={"loc": 0.1})


def test_alias_of_another_mechanism():
    (outcome,) = check(replace(card("se"), aliases=("bahdanau",)), ["card"]).outcomes
    assert outcome.why == "bahdanau: another mechanism has this name too"

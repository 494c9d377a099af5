from regard.bench.rounds import LEAST, LOOKS, WARM_UP, decided, race


class Bench:
    """Contenders that take given times on a clock of their own, and a record of who ran."""

    def __init__(self, **seconds):
        self.now, self.ran, self.seconds = 0.0, [], seconds

    def runs(self):
        return {name: lambda name=name: self.run(name) for name in self.seconds}

    def run(self, name):
        self.ran.append(name)
        self.now += self.seconds[name]
        return self.seconds[name]

    def clock(self):
        return self.now


def test_every_round_has_everybody_once_in_an_order_of_its_own():
    bench = Bench(a=1.0, b=2.0, c=3.0)
    times = race(bench.runs(), lambda _: False, 600, bench.clock)
    rounds = [tuple(bench.ran[k : k + 3]) for k in range(0, len(bench.ran), 3)]
    assert all(sorted(turn) == ["a", "b", "c"] for turn in rounds)
    assert len(set(rounds[WARM_UP:])) > 3
    assert len(rounds) == WARM_UP + 100
    assert times == {"a": [1.0] * 100, "b": [2.0] * 100, "c": [3.0] * 100}


def test_the_warm_up_counts_neither_in_the_times_nor_in_the_seconds():
    bench = Bench(a=1.0)
    first = iter([1000.0] * WARM_UP)

    def run():
        bench.now += (taken := next(first, 1.0))
        return taken

    times = race({"a": run}, lambda _: False, 10, bench.clock)
    assert times == {"a": [1.0] * 10}


def test_there_are_rounds_enough_for_an_interval_however_long_they_take():
    bench = Bench(a=1e6, b=1e6)
    assert len(race(bench.runs(), lambda _: False, 1, bench.clock)["a"]) == LEAST


def test_it_ends_at_the_look_at_which_all_is_settled():
    bench, asked = Bench(a=1.0), []

    def settled(times):
        asked.append(len(times["a"]))
        return len(asked) == 3

    assert len(race(bench.runs(), settled, 1e9, bench.clock)["a"]) == LOOKS[2]
    assert asked == list(LOOKS[:3])


def test_decided_is_when_no_ratio_straddles_the_limit():
    even, odd = [1.0, 1.2] * 11, [1.2, 1.0] * 11
    assert decided({"ours": even, "plain": [3.0] * 22})
    assert decided({"ours": even, "plain": even})
    assert not decided({"ours": even, "plain": odd})
    assert not decided({"ours": even, "plain": [3.0] * 22, "timm": odd})
    assert not decided({"ours": [1.0] * 6, "plain": [3.0] * 6})  # no 99 % of six rounds

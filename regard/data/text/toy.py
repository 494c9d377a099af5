"""The embedded translation: a small language whose sentences grow harder with length.

English-like sentences of 60 words become sentences of an invented language: the verb goes to the
end of its clause, a noun before its adjectives, and the article agrees with its noun. One to three
clauses give 5 to 26 words, so that what a fixed-length context loses on long sentences shows, as in
figure 2 of D. Bahdanau, K. Cho, Y. Bengio, 2014, arXiv:1409.0473. Synthetic: it shows how a
mechanism behaves, not what it gains on a language.
"""

from __future__ import annotations

from ...errors import RegardError
from .draws import Draws
from .pairs import Pairs, Translation
from .ragged import Strings

SEED = 2014


def paired(words: str) -> dict[str, str]:
    """``{"dog": "kano", "cat": "gata"}`` for ``dog:kano cat:gata``."""
    return {source: target for source, _, target in (w.partition(":") for w in words.split())}


ARTICLES = {"the": "l", "a": "n", "this": "ch"}
ADJECTIVES = paired(
    "big:grano small:piko old:veto young:nuvo red:roso green:verto happy:felo sad:triso "
    "quick:rapo slow:lento good:bono bad:malo dark:nigo bright:klaro warm:kalo cold:frigo"
)
NOUNS = paired(
    "dog:kano cat:gata man:omo woman:fema child:nino bird:avi horse:kavalo fish:pesi "
    "king:rego queen:rena tree:arbo house:kasa river:rivo mountain:monti book:livro "
    "door:porta stone:petro star:stela garden:gardi boat:bato"
)
VERBS = paired(
    "sees:vidas finds:trovas loves:amas follows:sekvas takes:prenas leaves:lasas hears:odas "
    "paints:pintas brings:portas wants:volas knows:sabas holds:tenas sells:vendas "
    "hides:kasas calls:vokas moves:movas breaks:rompas meets:renkas"
)
LINKS = {"and": "e", "but": "ma", "while": "dum"}
WORDS = (*ARTICLES, *ADJECTIVES, *NOUNS, *VERBS, *LINKS)  # 60


def toy(train: int = 8000, test: int = 1000, *, seed: int = SEED) -> Translation:
    """Pairs of the toy language, the same on every machine; no sentence twice.

    Args:
        train, test: numbers of pairs.
        seed: of the sentences; apart from every training seed.

    Raises:
        RegardError: a number is below 1, or the seed below 0.
    """
    if min(train, test) < 1:
        raise RegardError(f"toy: train is {train} and test {test}; expected 1 or more")
    draws = Draws(seed, 10)
    pairs: dict[str, str] = {}
    while len(pairs) < train + test:
        source, target = _sentence(draws)
        pairs[source] = target
    sides = list(pairs), list(pairs.values())
    first, last = (
        Pairs(*(Strings.of(side[part]) for side in sides))
        for part in (slice(train), slice(train, None))
    )
    notes = (
        "generated: shows how a mechanism behaves, not what it gains on a real language",
        f"1 to 3 clauses of a grammar with {len(WORDS)} words, seed {seed}; "
        "train and test share no sentence",
    )
    return Translation(first, last, "toy", notes=notes)


def _sentence(draws: Draws) -> tuple[str, str]:
    source, target = _clause(draws)
    for _ in range(draws.below(3)):
        link = draws.pick(list(LINKS))
        more, becomes = _clause(draws)
        source, target = [*source, link, *more], [*target, LINKS[link], *becomes]
    return " ".join(source), " ".join(target)


def _clause(draws: Draws) -> tuple[list[str], list[str]]:
    """Subject, verb, object; and subject, object, verb."""
    adjectives = draws.below(4)  # 3 at most, shared out, so that a clause has 5 to 8 words
    before = draws.below(adjectives + 1)
    subject, its = _phrase(draws, before)
    thing, becomes = _phrase(draws, adjectives - before)
    verb = draws.pick(list(VERBS))
    return [*subject, verb, *thing], [*its, *becomes, VERBS[verb]]


def _phrase(draws: Draws, adjectives: int) -> tuple[list[str], list[str]]:
    """Article, adjectives, noun; and article, noun, adjectives: the article ends as the noun."""
    article, noun = draws.pick(list(ARTICLES)), draws.pick(list(NOUNS))
    chosen = draws.sample(list(ADJECTIVES), adjectives)
    target = NOUNS[noun]
    agreeing = ARTICLES[article] + target[-1]
    return [article, *chosen, noun], [agreeing, target, *(ADJECTIVES[word] for word in chosen)]

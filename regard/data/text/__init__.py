"""The data of tasks on text: translation, tagging, classification.

A task has a reader (``load_translation``, …), which gives a corpus of texts: split, described,
fingerprinted, saved and loaded.

Order: ragged, skips, lines, conllu, tables, saved, corpus, pairs, tagged, labelled, draws, toy,
dates, cues, reviews, wishes, parting, sources, classes, translation, tagging, classification.
"""

from .classification import load_classification as load_classification
from .labelled import Classification as Classification
from .labelled import Labelled as Labelled
from .pairs import Pairs as Pairs
from .pairs import Translation as Translation
from .ragged import Ragged as Ragged
from .ragged import Strings as Strings
from .tagged import Tagged as Tagged
from .tagged import Tagging as Tagging
from .tagging import load_tagging as load_tagging
from .translation import load_translation as load_translation

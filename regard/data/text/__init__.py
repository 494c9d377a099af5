"""The data of tasks on text: translation, tagging, classification.

A task has a reader (``load_translation``, …), which gives a corpus of texts: split, described,
fingerprinted, saved and loaded. A vocabulary turns its texts into numbers, ``bucketed`` says which
of them make a batch, and ``Ragged.pad`` lays these side by side.

Order: ragged, skips, lines, conllu, tables, saved, corpus, pairs, tagged, labelled, draws, toy,
dates, cues, reviews, wishes, parting, sources, classes, translation, tagging, classification,
words, vocabulary, subwords, vocabulary_file, bucketing.
"""

from .bucketing import bucketed as bucketed
from .bucketing import in_order as in_order
from .bucketing import padding as padding
from .classification import load_classification as load_classification
from .labelled import Classification as Classification
from .labelled import Labelled as Labelled
from .pairs import Pairs as Pairs
from .pairs import Translation as Translation
from .ragged import Ragged as Ragged
from .ragged import Strings as Strings
from .subwords import Subwords as Subwords
from .tagged import Tagged as Tagged
from .tagged import Tagging as Tagging
from .tagging import load_tagging as load_tagging
from .translation import load_translation as load_translation
from .vocabulary import Vocabulary as Vocabulary
from .vocabulary_file import build_vocabulary as build_vocabulary
from .vocabulary_file import load_vocabulary as load_vocabulary

"""The data of tasks on text: translation, tagging, classification.

Order: ragged, skips, lines, conllu, tables, saved.
"""

from .ragged import Ragged as Ragged
from .ragged import Strings as Strings

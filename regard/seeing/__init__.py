"""See what a model attends to, what follows from it, and whether it tells anything.

Order: grids, windows, canvas, result, looking, heat, head_summaries, stacks, rolling, propagation,
crossing, targets, activation, gates_by_class, alignments, methods, erasure, shuffling, sanity,
subject, folders, hosts, aligning, attending, sections, report, files.
"""

from __future__ import annotations

from .activation import grad_cam
from .alignments import alignment
from .crossing import cross_relevance, cross_rollout
from .erasure import Curves, blanking, blurring, deletion_insertion
from .gates_by_class import ClassGates, class_gates
from .head_summaries import head_max, head_mean
from .heat import Heat, over_picture, over_tokens
from .looking import see
from .propagation import relevance
from .report import Report, look
from .result import Maps
from .rolling import rollout
from .sanity import Sanity, sanity_check
from .shuffling import shuffled_correlations
from .subject import Subject, picture_subject, text_subject
from .windows import heads_of, put_back

__all__ = [
    "ClassGates",
    "Curves",
    "Heat",
    "Maps",
    "Report",
    "Sanity",
    "Subject",
    "alignment",
    "blanking",
    "blurring",
    "class_gates",
    "cross_relevance",
    "cross_rollout",
    "deletion_insertion",
    "grad_cam",
    "head_max",
    "head_mean",
    "heads_of",
    "look",
    "over_picture",
    "over_tokens",
    "picture_subject",
    "put_back",
    "relevance",
    "rollout",
    "sanity_check",
    "see",
    "shuffled_correlations",
    "text_subject",
]

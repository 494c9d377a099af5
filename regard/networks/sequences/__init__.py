"""Networks over sequences: token ids in, logits out. Masks are boolean, True = real.

Order: tokens, positions, attention, layers, encoder_decoder, stacks, transformer, recurrent,
aligners, recurrent_decoder, recurrent_encoder_decoder, bag, convolutional, attentive, pooling,
heads, encoders, search.
"""

from .attention import LayerSetting
from .attentive import AttentiveEncoder
from .bag import BagOfWords
from .convolutional import ConvolutionalEncoder
from .encoder_decoder import EncoderDecoder, Source
from .encoders import ENCODERS, build_encoder
from .heads import Classifier, Tagger
from .recurrent import RecurrentEncoder
from .recurrent_encoder_decoder import RecurrentEncoderDecoder
from .search import Hypothesis, beam_search, greedy
from .stacks import TransformerEncoder
from .transformer import Transformer

__all__ = [
    "ENCODERS",
    "AttentiveEncoder",
    "BagOfWords",
    "Classifier",
    "ConvolutionalEncoder",
    "EncoderDecoder",
    "Hypothesis",
    "LayerSetting",
    "RecurrentEncoder",
    "RecurrentEncoderDecoder",
    "Source",
    "Tagger",
    "Transformer",
    "TransformerEncoder",
    "beam_search",
    "build_encoder",
    "greedy",
]

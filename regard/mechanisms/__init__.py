"""One file a mechanism, flat. The catalogue finds them by reading this folder.

A file whose name begins with an underscore is no mechanism: ``_core`` is what the five scores
share, ``_gate`` what gates share, ``_pixels`` what 1×1 convolutions of maps share, ``_relative``
relative positions on a map. Order: _gate, _pixels, _relative, _core, the five scores, _scores, all
others.
"""

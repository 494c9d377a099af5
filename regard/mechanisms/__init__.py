"""One file a mechanism, flat. The catalogue finds them by reading this folder.

A file whose name begins with an underscore is no mechanism: ``_core`` is what the five scores
share, ``_gate`` what gates share, ``_dims`` layers by the number of spatial dimensions, ``_pixels``
1×1 convolutions of maps, ``_relative`` relative positions on a map, ``_spread`` standard
deviations. Order: _dims, _spread, _gate, _pixels, _relative, _core, the five scores, _scores, all
others.
"""

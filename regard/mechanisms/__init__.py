"""One file a mechanism, flat. The catalogue finds them by reading this folder.

A file whose name begins with an underscore is no mechanism, but what several share: ``_gate``
gates, ``_dims`` layers by the number of spatial dimensions, ``_group_norm`` and ``_spread``
statistics, ``_pixels`` 1×1 convolutions of maps, ``_resize`` and ``_places`` positions in a map,
``_relative`` and ``_windows`` attention inside one, ``_large_kernels`` convolutions that look far,
``_core`` and ``_scores`` the five scores, ``_past`` keys and values kept from call to call,
``_heads`` attention with heads, ``_means`` the forms of AFT. Order: _dims, _spread, _gate,
_group_norm, _large_kernels, _pixels, _resize, _places, _past, _relative, _windows, _core, the five
scores, _scores, multihead, _heads, _means, all others.
"""

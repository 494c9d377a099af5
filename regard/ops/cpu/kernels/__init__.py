"""The loops themselves. They take addresses and sizes; the folder above checks what they are given.

Order: splitting, memory, elementary, lanes, reducing, multiplying, exciting, fusing, sweeping,
additive, additive_backward, sampling.

A map is seen as blocks ``[O, R, I]``: samples, rows, and the innermost axis that is contiguous.
Channels first, a row is a channel and the innermost axis is space; channels last, a row is a pixel
and the innermost axis is the channels. *Across* reduces the innermost axis, *down* the rows.
"""

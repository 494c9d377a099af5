"""GPU kernels of the shared operations, in Python through Triton, and what carries them.

Order: working, slabs, attention.

Nothing here is imported before the first tensor on a GPU that is worth a kernel. An operation has a
kernel here only if it beats what ``torch.compile`` makes of the plain form, or if, as additive
attention, its plain form keeps queries times keys times features.
"""

"""The loops that Triton compiles for a GPU, and that its interpreter runs without one.

Order: probing, scoring, additive, additive_backward.
"""

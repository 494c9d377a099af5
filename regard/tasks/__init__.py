"""What a network is trained for: data, how a network for it is built, its loss and its measures.

Order: scores.
"""

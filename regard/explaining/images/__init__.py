"""Explain attention on pictures: channel gates, CBAM, the Spatial Transformer.

Order: network, reading, watching, numbers, walk, controls, looks, kept, pages, recipe.
"""

"""A card around any small module."""

import pytest

from regard.cards import Card


@pytest.fixture
def card_of():
    def make(module, **facts):
        given = {
            "name": "mine", "title": "My own", "takes": "map", "family": ("channel",),
            "start": "none", "paper": "arXiv:2401.00001", "year": 2024, "authors": "Ada Able",
            "bibtex": "@misc{able2024, title={Mine}, author={Able, Ada}, year={2024}}",
            "parameters": "C", "complexity": "O(C)",
        }  # fmt: skip
        return Card(module=module, **{**given, **facts})

    return make

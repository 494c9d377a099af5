"""The command that explains attention with a text or a picture."""

from __future__ import annotations

from argparse import Namespace

from .answer import Answer, json_of


def explain_text(options: Namespace) -> Answer:
    """A page that computes attention step by step."""
    from ..explaining import explain
    from ..seeing.report import check_place

    place = check_place(options.out)
    explain(
        options.text, options.to, on=options.on, language=options.lang, run_code=options.run_code
    ).write_html(place)
    return Answer(json_of({"page": str(place)}) if options.json else f"page: {place}")

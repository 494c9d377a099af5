"""Surgery on models: sites, plug, unplug, save and load the add-on alone.

Order: carrier, patterns, layouts, refusals, sites, plugging, saving.
"""

from .plugging import Plugged, plug, plugged, unplug
from .saving import load, save
from .sites import Site, Sites, sites

__all__ = ["Plugged", "Site", "Sites", "load", "plug", "plugged", "save", "sites", "unplug"]

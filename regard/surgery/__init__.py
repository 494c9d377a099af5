"""Surgery on models: sites, plug, unplug, save and load the add-on alone.

Order: masks, ownership, carrier, patterns, layouts, observation, refusals, reading, survey, handle,
plugging, saving.
"""

from .handle import Plugged, plugged, unplug
from .plugging import plug
from .reading import Site
from .saving import load, save
from .survey import Sites, sites

__all__ = ["Plugged", "Site", "Sites", "load", "plug", "plugged", "save", "sites", "unplug"]

"""Networks that mechanisms are plugged into: our own, and others by name.

Those over token ids are in ``sequences``.

Order: small, factories, hosts, anatomy.
"""

from .anatomy import default_sites, first_convolution, last_stage
from .hosts import build_host, check_host, factory_file, input_channels, input_size
from .small import BasicBlock, SmallResNet, widen

__all__ = [
    "BasicBlock",
    "SmallResNet",
    "build_host",
    "check_host",
    "default_sites",
    "factory_file",
    "first_convolution",
    "input_channels",
    "input_size",
    "last_stage",
    "widen",
]

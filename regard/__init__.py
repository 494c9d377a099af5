"""regard: every attention mechanism, got, plugged into any model, compared fairly and seen.

The verbs below are the whole public surface; importing the package imports nothing heavy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .catalogue import card as card
    from .catalogue import cite as cite
    from .catalogue import get as get
    from .catalogue import names as names
    from .comparison import Plan as Plan
    from .comparison import compare as compare
    from .cost import measure as measure
    from .errors import RegardError as RegardError
    from .explaining import explain as explain
    from .seeing import see as see
    from .surgery import load as load
    from .surgery import plug as plug
    from .surgery import plugged as plugged
    from .surgery import save as save
    from .surgery import sites as sites
    from .surgery import unplug as unplug
    from .training import train as train

__version__ = "0.1.0"

_HOME = {
    "names": "catalogue",
    "card": "catalogue",
    "cite": "catalogue",
    "get": "catalogue",
    "sites": "surgery",
    "plug": "surgery",
    "plugged": "surgery",
    "unplug": "surgery",
    "save": "surgery",
    "load": "surgery",
    "see": "seeing",
    "explain": "explaining",
    "measure": "cost",
    "train": "training",
    "compare": "comparison",
    "Plan": "comparison",
    "RegardError": "errors",
}
__all__ = [*_HOME]  # noqa: PLE0604


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'regard' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*_HOME, "__version__"])

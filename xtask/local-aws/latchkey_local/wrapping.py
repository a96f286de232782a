"""Wrapping one function of MiniStack, and refusing to when it is not the function we know."""

import functools
import inspect
import sys


class MiniStackChanged(Exception):
    """A function that a correction wraps is missing, or takes other parameters than it did."""


def wrap(module, name, parameters, make_wrapper):
    """Replace ``module.name`` by ``make_wrapper(original)`` wherever MiniStack refers to it.

    ``parameters`` are the names the original must take. MiniStack's modules import functions from
    each other by name and list them in tables, so every loaded module that holds the original, itself
    or in a dictionary, gets the replacement.
    """
    original = getattr(module, name, None)
    found = tuple(inspect.signature(original).parameters) if callable(original) else None
    if found != tuple(parameters):
        raise MiniStackChanged(
            f"{module.__name__}.{name} takes {found}, and the correction was written for {tuple(parameters)}")
    replacement = functools.wraps(original)(make_wrapper(original))
    for holder in [module, *_modules_below(module.__name__.partition(".")[0])]:
        for attribute, value in list(vars(holder).items()):
            if value is original:
                setattr(holder, attribute, replacement)
            elif isinstance(value, dict):
                value.update({key: replacement for key, entry in list(value.items()) if entry is original})


def _modules_below(package):
    return [module for name, module in sorted(sys.modules.items())
            if name.startswith(f"{package}.") and module is not None]

"""The formulas on cards: arithmetic with names, evaluated without ``eval``."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import RegardError, nearest

Number = int | float
LARGEST_EXPONENT = 64  # a card needs a square or a cube; 9**9**9 would hang

FUNCTIONS: Mapping[str, Callable[..., Number]] = {
    "abs": abs,
    "ceil": math.ceil,
    "floor": math.floor,
    "gcd": math.gcd,
    "int": int,
    "log": math.log,
    "log2": math.log2,
    "max": max,
    "min": min,
    "round": round,
    "sqrt": math.sqrt,
}


def _power(base: Number, exponent: Number) -> Number:
    if abs(exponent) > LARGEST_EXPONENT:
        raise RegardError(f"an exponent of {exponent}; at most {LARGEST_EXPONENT} is allowed")
    result: Number = base**exponent
    return result


_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Number]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}


def evaluate(formula: str, names: Mapping[str, Number]) -> Number:
    """The value of a formula such as ``2*C*max(1, C//reduction) + C``.

    Args:
        formula: numbers, names, ``+ - * / // % **``, parentheses, and the functions above.
        names: value of each name.

    Raises:
        RegardError: for anything else, and where the arithmetic fails.
    """
    try:
        return _value(ast.parse(formula, mode="eval").body, names)
    except (SyntaxError, ArithmeticError, ValueError, TypeError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise RegardError(f"formula {formula!r}: {reason}") from None


def _value(node: ast.expr, names: Mapping[str, Number]) -> Number:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.Name(id=name):
            return _named(name, names)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(operand, names))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(left, names), _value(right, names))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](*(_value(a, names) for a in args))
    raise RegardError(f"{ast.unparse(node)!r} is no arithmetic; functions: {', '.join(FUNCTIONS)}")


def _named(name: str, names: Mapping[str, Number]) -> Number:
    if name not in names:
        raise RegardError(f"no value for {name!r}{nearest(name, names)}")
    return names[name]

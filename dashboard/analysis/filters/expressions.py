"""A small language over the columns of a table: ``firing_rate > 2 and within('CA1')``.

The text is parsed with Python's grammar and never run as Python: a node that is not on the short
list below is refused before anything is evaluated, and what is evaluated are numpy operations on
columns of the table, written out here one by one.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import pandas as pd

from dashboard.model.errors import BadRequest
from dashboard.model.texts import counted

#: Longest text, deepest nesting and most parts: far above any filter that a person writes, far
#: below what would keep a server busy.
MAX_LENGTH, MAX_DEPTH, MAX_NODES = 500, 20, 200
#: Escapes, comments and statements: nothing to reason about that no filter needs.
FORBIDDEN = "\\#;`"
#: Largest number: above it float64 does not hold every integer.
MAX_NUMBER = 2**53

BoolArray = npt.NDArray[np.bool_]
Within = Callable[[str], BoolArray]

_ARITHMETIC: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
}
_COMPARISONS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
#: Functions of numbers: name -> least and most arguments.
_FUNCTIONS = {"abs": (1, 1), "min": (2, 8), "max": (2, 8), "isnan": (1, 1), "log10": (1, 1)}
_WHAT_IS_ALLOWED = (
    "Use columns, numbers, 'text', + - * / // %, comparisons, and, or, not, in [..], "
    "abs, min, max, isnan, log10, within"
)


@dataclass(frozen=True, slots=True)
class _Value:
    """A value on the way: one of a kind, per row of the table or for all of them.

    Attributes
    ----------
    kind : {'number', 'text', 'truth'}
    values : ndarray, shape (n_rows,) or ()
    """

    kind: str
    values: npt.NDArray[Any]


class Expression:
    """A checked expression, to be evaluated on any table.

    Parameters
    ----------
    text : str
        At most `MAX_LENGTH` characters.

    Attributes
    ----------
    text : str
    names : tuple of str
        Columns that it asks for, in order of appearance.

    Raises
    ------
    BadRequest
        The text is not an expression of this language; the message says which character is wrong.
    """

    __slots__ = ("_tree", "names", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._tree = _parse(text)
        names = (node for node in ast.walk(self._tree) if isinstance(node, ast.Name))
        called = {id(node.func) for node in ast.walk(self._tree) if isinstance(node, ast.Call)}
        used = sorted(
            (node for node in names if id(node) not in called), key=lambda node: (node.lineno, node.col_offset)
        )
        self.names = tuple(dict.fromkeys(node.id for node in used))

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"

    def evaluate(self, table: pd.DataFrame, within: Within | None = None) -> BoolArray:
        """Return which rows of a table the expression holds for.

        Comparisons are numpy's: NaN is in no comparison but ``!=``; ask for it with ``isnan``. The
        name ``cluster_id`` is the id of the unit, the table's index; so is ``id`` where there is no such column.

        Parameters
        ----------
        table : DataFrame
        within : callable or None
            Takes an acronym and returns a mask over the rows; None where the table has no regions.

        Returns
        -------
        ndarray, shape (n_rows,), bool

        Raises
        ------
        BadRequest
            A column that the table lacks, kinds that do not go together (a comparison of text with
            a number), a region that does not exist.
        """
        evaluation = _Evaluation(self.text, table, within)
        # Division by zero and the logarithm of a negative number are NaN or infinite, which compare.
        with np.errstate(all="ignore"):
            result = evaluation.visit(self._tree.body)
        if result.kind != "truth":
            _refuse(self.text, self._tree.body, "This is a value, not a condition", "Compare it: firing_rate > 2")
        return np.broadcast_to(result.values, (len(table),)).astype(np.bool_)


def _refuse(text: str, node: ast.AST | int, what: str, remedy: str = _WHAT_IS_ALLOWED) -> NoReturn:
    """Raise the error that says what is wrong, and at which character, from 1."""
    offset = node if isinstance(node, int) else getattr(node, "col_offset", 0)
    if not isinstance(node, int):
        # Python counts bytes of UTF-8.
        offset = len(text.encode()[:offset].decode(errors="ignore"))
    raise BadRequest(f"{what} (character {offset + 1})", text[:80], remedy)


def _parse(text: str) -> ast.Expression:
    if not isinstance(text, str) or not text.strip():
        raise BadRequest("The expression is empty", "", "For example: firing_rate > 2 and within('CA1')")
    if len(text) > MAX_LENGTH:
        raise BadRequest("The expression is too long", counted(len(text), "character"), f"At most {MAX_LENGTH}")
    for position, character in enumerate(text):
        if character in FORBIDDEN or not character.isprintable():
            _refuse(text, position, f"{character!r} cannot be used here")
    text_for_parser = text.strip()
    shift = len(text) - len(text.lstrip())
    try:
        tree = ast.parse(text_for_parser, mode="eval")
    except SyntaxError as error:
        offset = max(min((error.offset or 1) - 1, len(text_for_parser)), 0)
        _refuse(text, shift + offset, f"This cannot be read: {error.msg}")
    except (ValueError, MemoryError, RecursionError) as error:
        raise BadRequest("This cannot be read", text[:80], _WHAT_IS_ALLOWED) from error
    if shift:
        for node in ast.walk(tree):
            if hasattr(node, "col_offset"):
                node.col_offset += shift
    nodes = 0
    waiting: list[tuple[ast.AST, int]] = [(tree.body, 1)]
    while waiting:
        node, depth = waiting.pop()
        nodes += 1
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            _refuse(text, node, "The expression is too deep" if depth > MAX_DEPTH else "The expression is too large")
        waiting += [(child, depth + 1) for child in _check(text, node)]
    return tree


def _check(text: str, node: ast.AST) -> list[ast.expr]:
    """Refuse a node that is not part of the language; return the nodes below it that are to be checked."""
    match node:
        case ast.BoolOp(values=values):
            return values
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.UAdd(), operand=operand):
            return [operand]
        case ast.BinOp(op=op, left=left, right=right) if type(op) in _ARITHMETIC:
            return [left, right]
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            checked = [left]
            for comparison, right in zip(ops, comparators, strict=True):
                if isinstance(comparison, ast.In | ast.NotIn):
                    checked += _check_list(text, right)
                elif type(comparison) in _COMPARISONS:
                    checked.append(right)
                else:
                    _refuse(text, right, "'is' cannot be used here", "Use ==")
            return checked
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            _check_call(text, node, name, args)
            return args
        case ast.Call(func=func):
            _refuse(text, func, "Only functions by name can be called, without keywords")
        case ast.Constant():
            _check_constant(text, node)
        case ast.Name(id=name):
            if name.startswith("_"):
                _refuse(text, node, f"No column {name}", "Names do not begin with an underscore")
        case _:
            _refuse(text, node, f"{type(node).__name__} cannot be used here")
    return []


def _check_list(text: str, node: ast.expr) -> list[ast.expr]:
    if not isinstance(node, ast.List | ast.Tuple | ast.Set):
        _refuse(text, node, "'in' wants a list", "For example: acronym in ['CA1', 'DG']")
    items: list[ast.expr] = getattr(node, "elts", [])
    for item in items:
        inner = item.operand if isinstance(item, ast.UnaryOp) and isinstance(item.op, ast.USub) else item
        if not isinstance(inner, ast.Constant):
            _refuse(text, item, "A list holds numbers or 'text' only")
    return items


def _check_call(text: str, node: ast.AST, name: str, args: list[ast.expr]) -> None:
    if name == "within":
        if not args or not all(isinstance(arg, ast.Constant) and isinstance(arg.value, str) for arg in args):
            _refuse(text, node, "within takes acronyms", "For example: within('CA1', 'DG')")
        return
    if name not in _FUNCTIONS:
        _refuse(text, node, f"No function {name}")
    least, most = _FUNCTIONS[name]
    if not least <= len(args) <= most:
        wanted = counted(most, "value") if least == most else f"{least} to {most} values"
        _refuse(text, node, f"{name} takes {wanted}, not {len(args)}")


def _check_constant(text: str, node: ast.Constant) -> None:
    value = node.value
    if isinstance(value, bool | str):
        return
    if not isinstance(value, int | float):
        _refuse(text, node, f"{str(value)[:20]} is neither a number nor 'text'")
    elif abs(value) > MAX_NUMBER or not math.isfinite(value):
        _refuse(text, node, "The number is too large", f"At most {MAX_NUMBER}")


class _Evaluation:
    """One walk over a checked tree."""

    def __init__(self, text: str, table: pd.DataFrame, within: Within | None) -> None:
        self.text = text
        self.table = table
        self.within = within

    def visit(self, node: ast.expr) -> _Value:
        match node:
            case ast.BoolOp(op=op, values=values):
                join = np.logical_and if isinstance(op, ast.And) else np.logical_or
                result = self._truth(values[0])
                for value in values[1:]:
                    result = join(result, self._truth(value))
                return _Value("truth", result)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return _Value("truth", np.logical_not(self._truth(operand)))
            case ast.UnaryOp(op=op, operand=operand):
                number = self._number(operand)
                return _Value("number", -number if isinstance(op, ast.USub) else number)
            case ast.BinOp(op=op, left=left, right=right):
                return _Value("number", np.asarray(_ARITHMETIC[type(op)](self._number(left), self._number(right))))
            case ast.Compare():
                return self._compare(node)
            case ast.Call(func=ast.Name(id=name), args=args):
                return self._call(node, name, args)
            case ast.Constant(value=value):
                return _constant(value)
            case ast.Name():
                return self._column(node)
        # The tree was checked: this would be a node that the check lets through by mistake.
        _refuse(self.text, node, f"{type(node).__name__} cannot be used here")

    def _number(self, node: ast.expr) -> npt.NDArray[Any]:
        value = self.visit(node)
        if value.kind != "number":
            _refuse(self.text, node, f"This is {_say(value)}, not a number")
        return value.values

    def _truth(self, node: ast.expr) -> npt.NDArray[Any]:
        value = self.visit(node)
        if value.kind != "truth":
            _refuse(self.text, node, f"This is {_say(value)}, not a condition", "Compare it: firing_rate > 2")
        return value.values

    def _compare(self, node: ast.Compare) -> _Value:
        result: npt.NDArray[Any] = np.ones((), dtype=np.bool_)
        left = self.visit(node.left)
        for op, right_node in zip(node.ops, node.comparators, strict=True):
            if left.kind == "list":
                _refuse(self.text, right_node, "A list cannot be compared with anything else")
            if isinstance(op, ast.In | ast.NotIn):
                items = [self.visit(item) for item in getattr(right_node, "elts", [])]
                found = np.zeros(left.values.shape, dtype=np.bool_)
                for item in items:
                    found = found | self._equal(right_node, left, item)
                result = result & (~found if isinstance(op, ast.NotIn) else found)
                left = _Value("list", np.empty(0))
                continue
            right = self.visit(right_node)
            if isinstance(op, ast.Eq | ast.NotEq):
                equal = self._equal(right_node, left, right)
                result = result & (~equal if isinstance(op, ast.NotEq) else equal)
            elif left.kind == right.kind == "number":
                result = result & _COMPARISONS[type(op)](left.values, right.values)
            else:
                _refuse(
                    self.text, right_node, f"{_say(left)} and {_say(right)} have no order", "Compare numbers, or use =="
                )
            left = right
        return _Value("truth", np.asarray(result))

    def _equal(self, node: ast.AST, left: _Value, right: _Value) -> npt.NDArray[Any]:
        kinds = {left.kind, right.kind}
        # A column of truth may be asked for by 1 and 0, as in label tables.
        if len(kinds) > 1 and kinds != {"number", "truth"}:
            _refuse(self.text, node, f"{_say(left)} is never {_say(right)}", "Compare like with like")
        return np.asarray(left.values == right.values, dtype=np.bool_)

    def _call(self, node: ast.expr, name: str, args: list[ast.expr]) -> _Value:
        if name == "within":
            return self._within(node, [str(arg.value) for arg in args if isinstance(arg, ast.Constant)])
        numbers = [self._number(arg) for arg in args]
        match name:
            case "abs":
                return _Value("number", np.abs(numbers[0]))
            case "log10":
                return _Value("number", np.log10(numbers[0]))
            case "isnan":
                return _Value("truth", np.isnan(numbers[0]))
        choose = np.minimum if name == "min" else np.maximum
        result = numbers[0]
        for number in numbers[1:]:
            result = choose(result, number)
        return _Value("number", result)

    def _within(self, node: ast.expr, acronyms: list[str]) -> _Value:
        if self.within is None:
            _refuse(self.text, node, "Brain regions are not known here", "Leave within() out")
        inside = np.zeros(len(self.table), dtype=np.bool_)
        for acronym in acronyms:
            inside |= self.within(acronym)
        return _Value("truth", inside)

    def _column(self, node: ast.Name) -> _Value:
        if node.id == "cluster_id":
            series = self.table.index.to_series()
        elif np.count_nonzero(self.table.columns == node.id) > 1:
            _refuse(self.text, node, f"There are several columns {node.id}", "Rename one")
        elif node.id in self.table.columns:
            series = self.table[node.id]
        elif node.id == "id":
            series = self.table.index.to_series()
        else:
            names = [name for name in self.table.columns if isinstance(name, str)]
            similar = get_close_matches(node.id, names, n=3, cutoff=0.5) or names[:8]
            _refuse(self.text, node, f"No column {node.id}", f"Columns: {', '.join(similar)}")
        if pd.api.types.is_bool_dtype(series.dtype):
            return _Value("truth", series.to_numpy(dtype=np.bool_, na_value=False))
        if pd.api.types.is_numeric_dtype(series.dtype):
            return _Value("number", series.to_numpy(dtype=np.float64, na_value=np.nan))
        return _Value("text", series.astype(object).where(series.notna(), None).to_numpy(dtype=object))


def _constant(value: object) -> _Value:
    if isinstance(value, bool):
        return _Value("truth", np.asarray(value))
    if isinstance(value, str):
        return _Value("text", np.asarray(value, dtype=object))
    return _Value("number", np.asarray(value, dtype=np.float64))


def _say(value: _Value) -> str:
    return {"number": "a number", "text": "text", "truth": "a condition", "list": "a list"}[value.kind]

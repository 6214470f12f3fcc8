"""Regular expressions read what partners, stations and strangers wrote: each takes time linear in it.

All of them are found in the source, and tried by the methods that the source calls, on texts that make backtracking
ones slow: CPU time of this thread is measured, which waits for nobody.
"""

import ast
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import pytest

from tests.architecture.tree import sources, text

METHODS = {"match", "fullmatch", "search", "sub", "subn", "findall", "finditer", "split"}
UNITS = (
    *"aA0T -.:;/\\\"'[],2e=?&\t\n\x00é",
    '\\"',
    "token",
    "0.",
    "a-",
    "1e",
    "aa:",
    "00 ",
    "x/",
    "[0]",
    "&a=b",
    "T 1",
    "é\u200b",
)
ENDS = ("!", "}", "\x00")
SIZES = (24, 1_000, 10_000)
"""Of 24 an exponential one takes long already, of 10,000 a quadratic one."""
LARGEST = 100_000
ALLOWED = 0.05
"""Seconds of CPU: linear ones take under 0.01 for 100,000 characters, others many seconds."""


@dataclass
class Expression:
    where: str
    pattern: str | bytes
    flags: int
    methods: set[str] = field(default_factory=set)

    def run(self, method: str, subject: str) -> None:
        given = subject.encode("utf-8", "surrogatepass") if isinstance(self.pattern, bytes) else subject
        compiled: re.Pattern[str] = re.compile(self.pattern, self.flags)  # type: ignore[assignment]
        if method in ("sub", "subn"):
            compiled.sub("" if isinstance(given, str) else b"", given)  # type: ignore[arg-type]
        elif method == "finditer":
            for _ in compiled.finditer(given):  # type: ignore[arg-type]
                pass
        else:
            getattr(compiled, method)(given)

    def seconds(self, method: str, subject: str) -> float:
        """The least of three tries: what else the machine does is not its doing."""
        found = []
        for _ in range(3):
            began = time.thread_time()
            self.run(method, subject)
            found.append(time.thread_time() - began)
            if found[-1] < ALLOWED:
                break
        return min(found)


def _of_re(call: ast.AST) -> str | None:
    """The name of a function of ``re`` that is called."""
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        return call.func.attr if call.func.value.id == "re" else None
    return None


def _flags(call: ast.Call) -> int:
    named = [node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute) and node.attr.isupper()]
    return sum(int(getattr(re, name)) for name in named if hasattr(re, name))


def _given(path: Path, name: str, call: ast.Call) -> tuple[str | bytes, int]:
    """Pattern and flags of what the module at ``path`` calls ``name``; of one that is put together, as it came out."""
    (pattern, *_) = call.args
    if isinstance(pattern, ast.Constant):
        return pattern.value, _flags(call)  # type: ignore[return-value]
    found = getattr(import_module(".".join(path.with_suffix("").parts)), name, None)
    assert isinstance(found, re.Pattern), f"{path}:{call.lineno}: write the expression out, or name it in the module"
    return found.pattern, found.flags & ~re.UNICODE


def expressions() -> Iterator[Expression]:
    """Those that are written out, with what is done with them."""
    for path in sources("roaming", "adapters", "contracts"):
        written = text(path)
        if "import re\n" not in written:
            assert "from re import" not in written, f"{path}: import re as a whole: its expressions are looked for"
            continue
        nodes = list(ast.walk(ast.parse(written)))
        named: dict[str, Expression] = {}
        for node in nodes:
            function = _of_re(node)
            if function is None:
                continue
            assert isinstance(node, ast.Call)
            pattern = node.args[0] if node.args else None
            if not isinstance(pattern, ast.Constant) or not isinstance(pattern.value, str | bytes):
                continue
            found = Expression(f"{path}:{node.lineno}", pattern.value, _flags(node))
            if function in METHODS:
                found.methods.add(function)
                yield found
        for assigned in nodes:
            value = getattr(assigned, "value", None)
            if not isinstance(assigned, ast.Assign | ast.AnnAssign) or _of_re(value) != "compile":
                continue
            assert isinstance(value, ast.Call)
            target = assigned.targets[0] if isinstance(assigned, ast.Assign) else assigned.target
            assert isinstance(target, ast.Name)
            pattern, flags = _given(path, target.id, value)
            named[target.id] = Expression(f"{path}:{assigned.lineno}", pattern, flags)
        for node in nodes:
            is_call = isinstance(node, ast.Attribute) and node.attr in METHODS
            if is_call and isinstance(node.value, ast.Name) and node.value.id in named:
                named[node.value.id].methods.add(node.attr)
        for found in named.values():
            found.methods = found.methods or {"fullmatch", "search"}  # handed on: anything may be done with it
            yield found


EXPRESSIONS = list(expressions())


def hostile(pattern: str | bytes, size: int) -> Iterator[str]:
    """Long texts, also behind the words that the expression looks for."""
    written = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
    words = sorted(set(re.findall(r"[A-Za-z]{2,}[=:]?|[\"']", written)), key=len)[-3:]
    for begin in ("", *words):
        for unit in (*UNITS, *words):
            for end in ENDS:
                yield begin + (unit * (size // len(unit) + 1))[:size] + end


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=lambda found: found.where)
def test_an_expression_takes_linear_time(expression: Expression) -> None:
    for method in sorted(expression.methods):
        slowest, worst = 0.0, ""
        for size in SIZES:
            for subject in hostile(expression.pattern, size):
                took = expression.seconds(method, subject)
                assert took < ALLOWED, f"{method} of {subject[:20]!r}… ({size}): {took * 1000:.0f} ms"
                if size == SIZES[-1] and took >= slowest:
                    slowest, worst = took, subject
        long = worst[:-1] * (LARGEST // len(worst)) + worst[-1]
        assert expression.seconds(method, long) < ALLOWED, f"{method} of {worst[:20]!r}… ({LARGEST})"


def test_all_are_found() -> None:
    assert len(EXPRESSIONS) > 40


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r'"(?:[^"\\]|\\.)*+"[ \t\r\n]*+:', "findall"),
        (r"(T\S*) (\d\d:?\d\d)", "sub"),
    ],
)
def test_what_backtracks_is_caught(pattern: str, method: str) -> None:
    with pytest.raises(AssertionError, match="ms"):
        test_an_expression_takes_linear_time(Expression("here", pattern, 0, {method}))

"""House rules that linters cannot say: each takes a source and returns its violations, one line each."""

import ast
import textwrap

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
MAX_CLASS_LINES = 200
FORBIDDEN_WORDS = {"ob", "obs", "done"}
FENCED_LIBRARIES = {"ale_py", "dm_control", "dm_env", "gymnasium", "hydra", "minatar", "omegaconf", "ray"}
CLOCKS = {"sleep", "perf_counter", "monotonic", "process_time", "thread_time", "timeit", "default_timer", "Timer"}
CLOCKS |= {f"{name}_ns" for name in CLOCKS} | {"time_ns", "utcnow"}
QUALIFIED_CLOCKS = {"time.time", "datetime.now"}
LEAST_PATIENCE = 60

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def long_parts(source: str) -> list[str]:
    """Return what is too long: the file, a class, or a function without its docstring."""
    lines = len(source.splitlines())
    found = [f"file of {lines} lines"] if lines > MAX_FILE_LINES else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, FUNCTIONS) and _body_lines(node) > MAX_FUNCTION_LINES:
            found.append(f"line {node.lineno}: {node.name} has {_body_lines(node)} lines without its docstring")
        if isinstance(node, ast.ClassDef) and _lines(node) > MAX_CLASS_LINES:
            found.append(f"line {node.lineno}: {node.name} has {_lines(node)} lines")
    return found


def forbidden_names(source: str) -> list[str]:
    """Return the names bound here that hold a word the house does not use."""
    return [
        f"line {line}: {name}"
        for node in ast.walk(ast.parse(source))
        for line, name in _bound_names(node)
        if FORBIDDEN_WORDS & set(name.lower().split("_"))
    ]


def hidden_imports(source: str) -> list[str]:
    """Return the imports by string of libraries that import-linter fences in."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or _called(node) not in ("import_module", "__import__"):
            continue
        for argument in node.args[:1]:
            if isinstance(argument, ast.Constant) and str(argument.value).split(".")[0] in FENCED_LIBRARIES:
                found.append(f"line {node.lineno}: {argument.value}")
    return found


def instantiations(source: str) -> list[str]:
    """Return the calls of something named ``instantiate``."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [f"line {node.lineno}: instantiate" for node in calls if _called(node) == "instantiate"]


def house_imports(source: str) -> list[str]:
    """Return the imports of hsuanwu's own modules."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node, alias.name) for alias in node.names if alias.name.split(".")[0] == "hsuanwu"]
        elif isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").split(".")[0] == "hsuanwu"):
            found.append((node, "." * node.level + (node.module or "")))
    return [f"line {node.lineno}: {name}" for node, name in found]


def clocks(source: str) -> list[tuple[str, str]]:
    """Return what depends on how fast a machine is, as (function, what is wrong there).

    That is: clocks, sleeping, and deadlines so short that a busy machine may miss them; in code within strings, too.
    """
    return list(_clocks(ast.parse(source), "<module>"))


def _clocks(node, function):
    for child in ast.iter_child_nodes(node):
        within = child.name if function == "<module>" and isinstance(child, (*FUNCTIONS, ast.ClassDef)) else function
        names = [f"line {child.lineno}: {name}" for name in _clock_names(child)]
        yield from ((within, name) for name in names)
        program = _program(child)
        yield from ((within, f"line {child.lineno}, in a string, {what}") for _, what in _clocks(program, ""))
        yield from _clocks(child, within)


def _clock_names(node):
    """Yield the clocks that a node itself names, and a deadline that it sets."""
    if isinstance(node, ast.ImportFrom):
        names = [(alias.name, f"{node.module}.{alias.name}") for alias in node.names]
    elif isinstance(node, ast.Attribute):
        names = [(node.attr, f"{getattr(node.value, 'id', getattr(node.value, 'attr', None))}.{node.attr}")]
    elif isinstance(node, ast.Name):
        names = [(node.id, "")]
    else:
        names = []
    yield from (name for name, qualified in names if name in CLOCKS or qualified in QUALIFIED_CLOCKS)
    if isinstance(node, ast.Call):
        deadlines = [keyword.value for keyword in node.keywords if keyword.arg == "timeout"]
        deadlines += node.args[:1] if _called(node) in ("wait", "join", "communicate") else []
        for value in (getattr(deadline, "value", None) for deadline in deadlines):
            if isinstance(value, (int, float)) and value < LEAST_PATIENCE:
                yield f"a deadline of {value} s"


def _program(node):
    """Return the program that a string holds; an empty one where it holds none."""
    if isinstance(node, ast.JoinedStr):
        text = "".join(part.value if isinstance(part, ast.Constant) else "0" for part in node.values)
    else:
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
    try:
        program = ast.parse(textwrap.dedent(text))
    except (SyntaxError, ValueError):
        return ast.Module([], [])
    calls_something = any(isinstance(part, ast.Call) for part in ast.walk(program))
    return program if calls_something else ast.Module([], [])


def _lines(node):
    return node.end_lineno - node.lineno + 1


def _body_lines(node):
    has_docstring = ast.get_docstring(node, clean=False) is not None
    return _lines(node) - (_lines(node.body[0]) if has_docstring else 0)


def _called(node):
    return getattr(node.func, "attr", getattr(node.func, "id", None))


def _bound_names(node):
    """Yield the names that a node gives to something; names that others chose do not count."""
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        yield node.lineno, node.name
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.lineno, node.id
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield node.lineno, node.attr
    elif isinstance(node, ast.arg):
        yield node.lineno, node.arg
    elif isinstance(node, ast.alias) and node.asname:
        yield node.lineno, node.asname
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.lineno, node.name

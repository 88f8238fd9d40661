"""House rules that linters cannot say: each takes a source and returns its violations, one line each."""

import ast

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
MAX_CLASS_LINES = 200
FORBIDDEN_WORDS = {"ob", "obs", "done"}
FENCED_LIBRARIES = {"ale_py", "dm_control", "dm_env", "gymnasium", "hydra", "minatar", "omegaconf", "ray"}

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

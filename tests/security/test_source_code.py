"""What the source must not do, read from its syntax tree."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(p for name in ("met2net", "pipelines", "flows") for p in (ROOT / name).rglob("*.py"))
_FORBIDDEN_CALLS = {
    "eval", "exec", "os.system", "os.popen", "pickle.load", "pickle.loads", "pickle.Unpickler",
    "cloudpickle.load", "cloudpickle.loads", "joblib.load", "dill.load", "marshal.loads",
    "shelve.open", "yaml.unsafe_load", "yaml.full_load", "subprocess.getoutput",
    "subprocess.getstatusoutput", "tarfile.open", "shutil.unpack_archive", "tempfile.mktemp",
    "pd.read_pickle", "pandas.read_pickle", "hydra.utils.instantiate",
}  # fmt: skip
_EXTRACTIONS = {"extract", "extractall"}
_ALL_INTERFACES = ("0.0.0.0", "::")


def offences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Give line and reason of everything that is not allowed."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _call_offences(node)
        if isinstance(node, ast.keyword) and node.arg in ("host", "dashboard_address"):
            if isinstance(node.value, ast.Constant) and str(node.value.value).startswith(
                _ALL_INTERFACES
            ):
                yield node.value.lineno, "listens on all interfaces"


def _call_offences(node: ast.Call) -> Iterator[tuple[int, str]]:
    name = ast.unparse(node.func)
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    if name in _FORBIDDEN_CALLS:
        yield node.lineno, name
    if name.rpartition(".")[2] in _EXTRACTIONS and name.rpartition(".")[0].endswith("archive"):
        yield node.lineno, f"{name}: members' names may point anywhere"
    for keyword, allowed in (("shell", False), ("allow_pickle", False), ("weights_only", True)):
        # `weights_only` of Lightning's `save_checkpoint` says what is written.
        if keyword in given and not name.endswith("save_checkpoint"):
            if not (isinstance(given[keyword], ast.Constant) and given[keyword].value is allowed):
                yield node.lineno, f"{keyword} is not {allowed}"
    if name == "torch.load" and "weights_only" not in given:
        yield node.lineno, "torch.load without weights_only"
    if name in ("np.load", "numpy.load") and "allow_pickle" not in given and not _is_default(node):
        yield node.lineno, "np.load"
    if name == "yaml.load":
        loader = given.get("Loader")
        if loader is None or not ast.unparse(loader).endswith(("SafeLoader", "_OnceLoader")):
            yield node.lineno, "yaml.load without a safe loader"
    if name.startswith("subprocess.") and node.args and not _is_list(node.args[0]):
        yield node.lineno, f"{name} with a command in one text"


def _is_default(node: ast.Call) -> bool:
    """NumPy itself refuses pickles unless asked; none of our calls asks."""
    return len(node.args) == 1


def _is_list(command: ast.expr) -> bool:
    """Tell whether a command is a list, or the name of one; a text is for a shell."""
    return not isinstance(command, ast.Constant | ast.JoinedStr | ast.BinOp)


def test_nothing_is_unpickled_evaluated_or_given_to_a_shell() -> None:
    assert len(FILES) > 100
    found = {
        str(path.relative_to(ROOT)): list(offences(ast.parse(path.read_text(encoding="utf-8"))))
        for path in FILES
        if path.name != "safe_instantiate.py"  # the one place that calls Hydra, after its check
    }
    assert {name: found[name] for name in found if found[name]} == {}


def test_hydra_instantiates_in_one_place_only() -> None:
    users = [p.name for p in FILES if "hydra.utils" in p.read_text(encoding="utf-8")]
    assert users == ["safe_instantiate.py"]


def test_the_loader_of_our_own_is_a_safe_one() -> None:
    import yaml

    from pipelines.paper.published_scores import _OnceLoader

    assert issubclass(_OnceLoader, yaml.SafeLoader)
    with pytest.raises(yaml.YAMLError):
        yaml.load("!!python/object/apply:os.getcwd []", Loader=_OnceLoader)


@pytest.mark.parametrize(
    "source",
    [
        "os.system(command)", "eval(text)", "pickle.load(file)", "torch.load(path)",
        "torch.load(path, weights_only=False)", "np.load(path, allow_pickle=True)",
        "np.load(path, None, True)", "yaml.load(text)", "yaml.load(text, Loader=yaml.Loader)",
        "subprocess.run(['ls'], shell=True)", "subprocess.run(f'ls {name}')",
        "archive.extractall(folder)", "serve(host='0.0.0.0')", "trainer.fit(m, weights_only=no)",
        "hydra.utils.instantiate(node)",
    ],
)  # fmt: skip
def test_the_check_sees_what_it_is_to_see(source: str) -> None:
    assert list(offences(ast.parse(source)))

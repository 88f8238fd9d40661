"""Whatever is wrong in a configuration is one line that names the key, before anything is written or started."""

import pytest

from hsuanwu import cli
from tests.bad_configurations import bad_configurations
from tests.test_cli import SMALL, command  # noqa: F401

ALL = bad_configurations(500, seed=1)
assert len(ALL) == 500


@pytest.mark.parametrize(
    "part", [pytest.param(i, marks=pytest.mark.slow if i else []) for i in range(10)], ids=lambda i: f"part {i}"
)
def test_each_is_refused_in_a_line_that_names_the_key(command, tmp_path, part):  # noqa: F811
    wrong = []
    for key, overrides in ALL[part * 50 : part * 50 + 50]:
        status, _, err = command(cli.train, *SMALL, *overrides)
        is_line = err.startswith("error: ") and err.count("\n") == 1 and key in err
        if status != 2 or not is_line or list(tmp_path.iterdir()):
            wrong.append((overrides, status, err[-400:], list(tmp_path.iterdir())))
    assert not wrong, "\n".join(map(str, wrong))

"""Metadata and dependencies; the tools are configured in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def read_version() -> str:
    """Return the version without importing hsuanwu, whose dependencies may not be installed yet."""
    found = re.search(r'^__version__ = "([^"]+)"$', read("hsuanwu/__init__.py"), re.MULTILINE)
    if found is None:
        raise SystemExit('setup.py: hsuanwu/__init__.py has no line __version__ = "..."')
    return found.group(1)


ATARI = ["ale-py>=0.12"]
# dm_control before 1.0.48 reads fields that MuJoCo 3.17 no longer has, 1.0.50 such that MuJoCo 4 no longer has; neither
# says so in its metadata.
DMC = ["dm_control>=1.0.48", "mujoco>=3.1,<4"]
MINATAR = ["minatar>=1.0.15"]
MINIGRID = ["minigrid>=3.0"]
BOX2D = ["box2d>=2.3.10"]
# Hydra's launchers and one of its sweepers.
SWEEPS = ["hydra-joblib-launcher>=1.2", "hydra-submitit-launcher>=1.2", "hydra-optuna-sweeper>=1.3"]
# pygame-ce draws the classic control tasks; minigrid asks for it, and pygame itself must not lie beside it.
VIDEO = ["imageio>=2.34", "imageio-ffmpeg>=0.5", "pygame-ce>=2.4"]

setup(
    name="hsuanwu",
    version=read_version(),
    description="A modular reinforcement-learning framework in PyTorch, built around IMPALA.",
    long_description=read("README.md") if (ROOT / "README.md").exists() else "",
    long_description_content_type="text/markdown",
    author="The Hsuanwu authors",
    license="MIT",
    license_files=["LICENSE"],
    keywords=["reinforcement learning", "IMPALA", "V-trace", "PyTorch", "Hydra"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3",
        *(f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 15)),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.10",
    # Ranges; the exact versions that CI tests stand in constraints.txt.
    install_requires=[
        "torch>=2.10",
        "hydra-core>=1.3.2,<1.5",
        "omegaconf>=2.3,<2.4",
        "gymnasium>=1.3",
        "dm-env>=1.6",
        "termcolor>=2.3",
        "numpy>=1.26",
        "tqdm>=4.60",
        "matplotlib>=3.8",
        "tensorboardX>=2.6.5",
    ],
    extras_require={
        "atari": ATARI,
        "box2d": BOX2D,
        "dmc": DMC,
        "minatar": MINATAR,
        "minigrid": MINIGRID,
        "ray": ["ray>=2.40"],
        "sweeps": SWEEPS,
        "video": VIDEO,
        "dev": [
            "build>=1.2",
            "hypothesis>=6.100",
            "import-linter>=2.1",
            "mypy>=1.15",
            "pytest>=8.2",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.6",
            "ruff>=0.9",
            *ATARI,
            *BOX2D,
            # dm_control needs labmaze, which has to be built by bazel where it has no wheel; its tests skip without it.
            *(f'{package}; python_version < "3.13"' for package in DMC),
            *MINATAR,
            *MINIGRID,
            *SWEEPS,
            *VIDEO,
        ],
        "docs": [
            "latex2mathml>=3.77",
            "mkdocs>=1.6,<2",
            "mkdocs-gen-files>=0.5",
            "mkdocs-literate-nav>=0.6",
            "mkdocs-material>=9.5",
            "mkdocstrings[python]>=0.27",
        ],
    },
    # The configs lie in cfgs/ and are imported as hsuanwu.cfgs. Named one by one and backed by [build-system]
    # in pyproject.toml, so that an editable install maps the second folder too.
    packages=["hsuanwu.cfgs", *find_packages(include=["hsuanwu", "hsuanwu.*"])],
    package_dir={"hsuanwu": "hsuanwu", "hsuanwu.cfgs": "cfgs"},
    package_data={"hsuanwu": ["py.typed"], "hsuanwu.cfgs": ["**/*.yaml"]},
    entry_points={
        "console_scripts": [
            "hsuanwu-check = hsuanwu.cli:check",
            "hsuanwu-train = hsuanwu.cli:train",
            "hsuanwu-eval = hsuanwu.cli:evaluate",
            "hsuanwu-plot = hsuanwu.cli:plot",
        ]
    },
)

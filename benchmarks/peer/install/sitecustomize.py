"""While pufferlib is built: only its CartPole, and nothing from outside the package index.

Its setup.py builds every environment it has, fetches raylib for browsers and Box2D from GitHub where their folders
are absent, and wants CUDA where a compiler for it is. The source archive has all that CartPole needs.
"""

import glob
import os.path
import shutil

_exists, _glob, _which = os.path.exists, glob.glob, shutil.which


def _pretend_fetched(path):
    return path in ("raylib-5.5_webassembly", "box2d-web", "box2d-linux-amd64") or _exists(path)


def _only_cartpole(pattern, **options):
    found = _glob(pattern, **options)
    return [path for path in found if "/cartpole/" in path] if pattern == "pufferlib/ocean/**/binding.c" else found


def _no_cuda_compiler(command, *options, **more):
    return None if command == "nvcc" else _which(command, *options, **more)


os.path.exists, glob.glob, shutil.which = _pretend_fetched, _only_cartpole, _no_cuda_compiler

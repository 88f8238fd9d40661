"""Contract tests that ship with the package: plain functions that take a module and assert what all of its kind keep.

They need no test framework. Import them from their files, ``hsuanwu.testing.encoder.check_encoder`` say, and
call them on modules of your own.
``check_env`` examines an environment as ``hsuanwu-check`` does.
"""

from hsuanwu.testing.env_examination import Finding, check_env, examine_env

__all__ = ["Finding", "check_env", "examine_env"]

"""Environments: factories by name, and adapters that bring any environment into next-step autoreset form."""

from hsuanwu.env.atari_factory import AtariEnvFactory
from hsuanwu.env.dm_control_factory import DmControlEnvFactory
from hsuanwu.env.dm_env_factory import DmEnvFactory
from hsuanwu.env.gymnasium_factory import GymnasiumEnvFactory
from hsuanwu.env.make import as_vector_env
from hsuanwu.env.native_vector_env import NativeVectorEnv
from hsuanwu.env.serial_vector_env import SerialVectorEnv
from hsuanwu.env.single_env import DmEnvSingleEnv, GymnasiumSingleEnv, SameStepSingleEnv, SingleEnv
from hsuanwu.env.wrappers import ChannelFirstObservation, SelectObservation

__all__ = [
    "AtariEnvFactory",
    "ChannelFirstObservation",
    "DmControlEnvFactory",
    "DmEnvFactory",
    "DmEnvSingleEnv",
    "GymnasiumEnvFactory",
    "GymnasiumSingleEnv",
    "NativeVectorEnv",
    "SameStepSingleEnv",
    "SelectObservation",
    "SerialVectorEnv",
    "SingleEnv",
    "as_vector_env",
]

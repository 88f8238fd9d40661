"""Videos and windows that show the pictures of an evaluation."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from hsuanwu.common.errors import ConfigurationError, one_line
from hsuanwu.env.picture import is_headless

if TYPE_CHECKING:
    from typing_extensions import Self

_FRAMES_PER_SECOND = 30.0
"""Of environments that do not say."""
_MOST_PER_SECOND = 60
_LEAST_PIXELS = 160

Picture = np.ndarray[Any, Any]


class Screen(ABC):
    """Shows pictures of one size one after the other; a context manager.

    At most 60 are shown a second: of a faster environment, every second one for example.
    """

    def __init__(self) -> None:
        self._shape: tuple[int, ...] = ()
        self._count = 0

    def append(self, picture: Picture, frames_per_second: float | None) -> None:
        """Show the next picture, ``[height, width, 3]`` uint8; tiny ones are enlarged.

        Raises:
            ConfigurationError: if it is empty, or of another size than the one before.
        """
        if 0 in picture.shape:
            raise ConfigurationError(f"{self._option}: the environment drew a picture of shape {picture.shape}")
        if picture.shape != (self._shape or picture.shape):
            raise ConfigurationError(
                f"{self._option}: the environment drew pictures of {self._shape[:2]} and {picture.shape[:2]}, not of "
                "one size"
            )
        pace = frames_per_second or _FRAMES_PER_SECOND
        every = math.ceil(pace / _MOST_PER_SECOND)
        scale = max(1, _LEAST_PIXELS // min(picture.shape[:2]))
        if not self._shape:
            self._shape = picture.shape
            self._open((picture.shape[0] * scale, picture.shape[1] * scale), pace / every)
        if self._count % every == 0:
            self._show(picture.repeat(scale, 0).repeat(scale, 1))
        self._count += 1

    _option: str
    """The command-line option that asks for it."""

    @abstractmethod
    def _open(self, size: tuple[int, int], frames_per_second: float) -> None:
        """Begin to show pictures of a size, ``(height, width)``."""

    @abstractmethod
    def _show(self, picture: Picture) -> None:
        """Show one."""

    @abstractmethod
    def _close(self, is_whole: bool) -> None:
        """Show no more; ``is_whole`` unless something went wrong."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._shape:
            self._close(kind is None)


@final
class Video(Screen):
    """An MP4 file that is not there before the first picture; odd sizes lose a row or column, as H.264 needs.

    Args:
        path: of the file; its folder is made if need be.
        writer_of: ``imageio.v2.get_writer``.
    """

    _option = "--video"

    def __init__(self, path: Path, writer_of: Callable[..., Any]) -> None:
        super().__init__()
        self.path, self._writer_of = path, writer_of
        self._writer: Any = None

    def _open(self, size: tuple[int, int], frames_per_second: float) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"--video: {self.path.parent} cannot be made ({error.strerror})") from error
        self._writer = self._writer_of(str(self.path), fps=frames_per_second, macro_block_size=1)

    def _show(self, picture: Picture) -> None:
        height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
        self._writer.append_data(np.ascontiguousarray(picture[:height, :width]))

    def _close(self, is_whole: bool) -> None:
        if self._writer is not None:
            self._writer.close()
            if not is_whole:  # half a video is none
                self.path.unlink(missing_ok=True)


@final
class Window(Screen):
    """A window on the display, which shows pictures at their pace; closed by the user, it shows no more of them.

    Args:
        pygame: the module.
    """

    _option = "--render"

    def __init__(self, pygame: Any) -> None:
        super().__init__()
        self._pygame, self._is_closed = pygame, False

    def _open(self, size: tuple[int, int], frames_per_second: float) -> None:
        try:
            self._pygame.display.init()
            self._surface = self._pygame.display.set_mode(size[::-1])
        except self._pygame.error as error:
            raise ConfigurationError(f"--render: no window can be opened ({one_line(error)}); use --video") from error
        self._pygame.display.set_caption("hsuanwu-eval")
        self._clock, self._pace = self._pygame.time.Clock(), frames_per_second

    def _show(self, picture: Picture) -> None:
        if self._is_closed:
            return
        self._surface.blit(self._pygame.surfarray.make_surface(picture.swapaxes(0, 1)), (0, 0))
        self._pygame.display.flip()
        self._clock.tick(self._pace)
        if any(event.type == self._pygame.QUIT for event in self._pygame.event.get()):
            self._is_closed = True
            self._pygame.display.quit()

    def _close(self, is_whole: bool) -> None:
        self._pygame.display.quit()


def open_video(folder: Path) -> Video:
    """Return a new ``video.mp4`` in a folder.

    Raises:
        ConfigurationError: if what writes it is not installed.
    """
    try:
        import imageio.v2
        import imageio_ffmpeg  # noqa: F401  the plug-in that writes MP4
    except ImportError as error:
        raise _not_installed("--video", error) from error
    return Video(folder / "video.mp4", imageio.v2.get_writer)


def open_window() -> Window:
    """Return a window.

    Raises:
        ConfigurationError: if there is no display, or pygame is not installed.
    """
    if is_headless():
        raise ConfigurationError("--render: this machine has no display; use --video DIR")
    try:
        import pygame
    except ImportError as error:
        raise _not_installed("--render", error) from error
    return Window(pygame)


def _not_installed(option: str, error: ImportError) -> ConfigurationError:
    return ConfigurationError(f"{option}: {error.name} is not installed; pip install 'hsuanwu[video]'")

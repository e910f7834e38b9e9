"""Exceptions and warnings. Their messages say what was seen, what was expected, and the fix."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "CouplingError",
    "DownloadError",
    "EmulatorError",
    "EmulatorFileError",
    "InputError",
    "InputWarning",
    "PluginError",
    "StoreError",
    "StoreWarning",
    "TrainingWarning",
    "Xai4landError",
    "Xai4landWarning",
]


class Xai4landError(Exception):
    """Base class of every error that xai4land raises on purpose."""


class InputError(Xai4landError, ValueError):
    """Input that cannot give a right answer; lists all problems, not only the first.

    Parameters
    ----------
    problems : str or iterable of str
        One sentence for each problem: what was seen, what was expected, how to fix it.

    Attributes
    ----------
    problems : tuple of str

    Examples
    --------
    >>> str(InputError("no variable 'forest'"))
    "no variable 'forest'"
    >>> print(InputError(["no variable 'forest'", "no variable 'urban'"]))
    2 problems with the input:
      - no variable 'forest'
      - no variable 'urban'
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(dict.fromkeys(problems))
        super().__init__(self.problems)

    def __str__(self) -> str:
        if len(self.problems) == 1:
            return self.problems[0]
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        return f"{len(self.problems)} problems with the input:{lines}"

    @staticmethod
    def raise_if(problems: Iterable[str]) -> None:
        """Raise one error that holds all ``problems``, or return if there are none."""
        problems = tuple(problems)
        if problems:
            raise InputError(problems)


class EmulatorFileError(Xai4landError, ValueError):
    """A file that is not a complete, unaltered emulator which this version can run."""


class EmulatorError(Xai4landError, ArithmeticError):
    """A network whose output is not finite."""


class CouplingError(Xai4landError, RuntimeError):
    """A coupled run that cannot go on, or a file of its state that cannot be read."""


class PluginError(Xai4landError, ImportError):
    """A plugin that could not be loaded, or two that claim one name."""


class StoreError(Xai4landError, OSError):
    """An output that could not be written."""


class DownloadError(Xai4landError, OSError):
    """A file that could not be downloaded, or whose contents are not as expected."""


class Xai4landWarning(UserWarning):
    """Base class of every warning that xai4land gives; filters take it and those below.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore", category=Xai4landWarning):
    ...     warnings.warn("codes 77 that no class takes", InputWarning)
    """


class InputWarning(Xai4landWarning):
    """Input or an option of which a part is left out, has no effect, or may be a mistake."""


class TrainingWarning(Xai4landWarning):
    """A training that ended before its last epoch, and returns its best weights so far."""


class StoreWarning(Xai4landWarning):
    """What could not be written, or protected from another run; the computation goes on."""

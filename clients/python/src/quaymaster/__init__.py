"""Reads and follows the secrets of a Quaymaster broker: docs/client-python.md."""

from ._errors import (
    ApiError,
    ClosedError,
    DocumentProblem,
    InputError,
    QuaymasterError,
    SealedAnswerError,
    UnreachableError,
)
from ._follow import Following
from ._secret import Lease, Reads, Secret
from ._sensitive import Sensitive
from ._session import WorkloadSession
from ._version import __version__

__all__ = [
    "ApiError",
    "ClosedError",
    "DocumentProblem",
    "Following",
    "InputError",
    "Lease",
    "QuaymasterError",
    "Reads",
    "SealedAnswerError",
    "Secret",
    "Sensitive",
    "UnreachableError",
    "WorkloadSession",
    "__version__",
]

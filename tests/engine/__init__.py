"""The real Kestra engine, behind a small HTTP layer, for the tests (see ``launcher``)."""

from tests.engine.launcher import Engine, EngineError
from tests.engine.versions import DEFAULT, VERSIONS, KestraVersion, version_named

__all__ = ["DEFAULT", "VERSIONS", "Engine", "EngineError", "KestraVersion", "version_named"]

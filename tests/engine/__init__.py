"""The real Kestra engine, behind a small HTTP layer, for the tests (see ``launcher``)."""

from tests.engine.launcher import Engine, EngineError

__all__ = ["Engine", "EngineError"]

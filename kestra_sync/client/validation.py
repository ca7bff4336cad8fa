"""Validates many sources in few requests, and returns the results in the order of the sources."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kestra_sync.client.answer import Answer, flow_id_of, texts_of
from kestra_sync.client.errors import ApiError, InvalidContent, RequestTooLarge, ServerFailure
from kestra_sync.client.request import YAML, Part, Request, encode_multipart
from kestra_sync.client.transport import Transport
from kestra_sync.model import FlowId

LOG = logging.getLogger("kestra_sync.client")
BATCH = 100
"""129 parts in one form cause a 500."""
BATCH_BYTES = 8 * 1024 * 1024
"""A body over 10 MiB causes a 500."""
PARALLEL = 4
LEAST = 10
"""Minimum size of a batch. The server validates the flows of a batch sequentially, so several
batches are faster than a full one, unless they are tiny."""
_FILENAME = re.compile(r"^(\d+)\.ya?ml$")

Indexed = tuple[int, bytes]


@dataclass(frozen=True)
class Validation:
    """The server's verdict on one source.

    :param index: the position of the source in the call, from 0.
    :param constraints: what is wrong with it, one message each; empty if it is valid.
    :param raw_constraints: the same as returned by the server.
    :param outdated: its ``revision:`` line differs from the server's revision.
    :param flow_id: as far as the server could read it.
    """

    index: int
    constraints: tuple[str, ...] = ()
    raw_constraints: str = ""
    warnings: tuple[str, ...] = ()
    infos: tuple[str, ...] = ()
    deprecations: tuple[str, ...] = ()
    outdated: bool = False
    flow_id: FlowId | None = None

    @property
    def valid(self) -> bool:
        """Whether the server would accept it."""
        return not self.constraints


class Validator:
    """Validates sources in batches, or one by one on servers that do not support batches."""

    def __init__(
        self, transport: Transport, path: str, multipart_expected: Callable[[], bool]
    ) -> None:
        self._transport = transport
        self._path = path
        self._multipart_expected = multipart_expected
        self._one_by_one = False

    def validate(self, sources: Sequence[bytes]) -> tuple[Validation, ...]:
        """One result per source, in their order."""
        batch_size = min(BATCH, max(LEAST, -(-len(sources) // PARALLEL)))
        work = batches(list(enumerate(sources)), batch_size)
        found = self._transport.map(self._batch, work, PARALLEL)
        return tuple(result for results in found for result in results)

    def _batch(self, batch: list[Indexed]) -> list[Validation]:
        if not self._one_by_one:
            results = self._together(batch)
            if results is not None:
                return results
        return [self._alone(index, source) for index, source in batch]

    def _together(self, batch: list[Indexed]) -> list[Validation] | None:
        """Validate a batch in one request; ``None`` if the server does not support it."""
        # The file name maps each result to its source, in whatever order they are returned.
        body, content_type = encode_multipart(
            Part("flows", source, f"{index}.yaml", YAML) for index, source in batch
        )
        request = Request("POST", self._path, body=body, content_type=content_type, safe=True)
        try:
            answer = self._transport.send(request)
        except ServerFailure as error:
            if error.status != 500:
                raise
            if not self._multipart_expected():
                self._remember(f"status {error.status}")
            else:
                LOG.info("a batch failed with 500: validating its flows one by one")
            return None
        except RequestTooLarge as error:
            LOG.info("a batch is too large (%s): validating its flows one by one", error.status)
            return None
        except ApiError as error:
            if error.status not in {400, 404, 405, 406, 415, 422}:
                raise
            self._remember(f"status {error.status}")
            return None
        answers = answer.list()
        results = self._assign(answers, [index for index, _ in batch])
        if not any(_named(item) for item in answers) and not self._multipart_expected():
            results = None  # an old server that parsed the form itself as a flow
        if results is None:
            self._remember("its response does not match the request")
        return results

    def _alone(self, index: int, source: bytes) -> Validation:
        request = Request("POST", self._path, body=source, content_type=YAML, safe=True)
        try:
            answer = self._transport.send(request)
        except InvalidContent as error:
            # The response to an empty body, instead of reporting it as invalid.
            return self._validation(index, {"constraints": error.server_message})
        except RequestTooLarge as error:
            words = f"{error.server_message} for the server: {error.remedy}"
            return self._validation(index, {"constraints": " ".join(words.split())})
        return self._validation(index, _best(answer))

    def _assign(self, answers: list[Any], indexes: list[int]) -> list[Validation] | None:
        """Map each result to its source by file name or number; ``None`` if one is missing."""
        by_index: dict[int, dict[str, Any]] = {}
        for answer in answers:
            if not isinstance(answer, dict):
                return None
            index = _index_of(answer, indexes)
            if index is None or index in by_index:
                return None
            by_index[index] = answer
        if sorted(by_index) != sorted(indexes):
            return None
        return [self._validation(index, by_index[index]) for index in indexes]

    def _validation(self, index: int, data: dict[str, Any]) -> Validation:
        raw = data.get("constraints")
        # The server may echo secrets from the request.
        mask = self._transport.mask
        raw = mask(raw) if isinstance(raw, str) else ""
        constraints = split_constraints(raw)
        if "constraints" in data and data["constraints"] is not None and not constraints:
            # A value, even without a message, means that the flow is invalid.
            constraints = ("invalid; the server gave no reason",)
        named = flow_id_of({"namespace": data.get("namespace"), "id": data.get("flow")})
        flow_id: FlowId | None = named
        return Validation(
            index=index,
            constraints=constraints,
            raw_constraints=raw,
            warnings=tuple(map(mask, texts_of(data.get("warnings")))),
            infos=tuple(map(mask, texts_of(data.get("infos")))),
            deprecations=tuple(map(mask, texts_of(data.get("deprecationPaths")))),
            outdated=data.get("outdated") is True,
            flow_id=flow_id,
        )

    def _remember(self, why: str) -> None:
        if not self._one_by_one:
            LOG.info(
                "the server does not validate flows in batches (%s): validating one by one",
                why,
            )
        self._one_by_one = True


def batches(sources: list[Indexed], batch_size: int = BATCH) -> list[list[Indexed]]:
    """Split the sources into batches below the limits of number and size, if possible."""
    found: list[list[Indexed]] = [[]]
    size = 0
    for index, source in sources:
        full = len(found[-1]) >= batch_size or size + len(source) > BATCH_BYTES
        if found[-1] and full:
            found.append([])
            size = 0
        found[-1].append((index, source))
        size += len(source)
    return found


def _best(answer: Answer) -> dict[str, Any]:
    """Return the result for the flow, even if an empty document next to it has one, too."""
    results = [item for item in answer.list() if isinstance(item, dict)]
    if not results:
        raise answer.unexpected("no validation")
    named = [item for item in results if item.get("flow")]
    telling = [item for item in results if "No content to map" not in str(item.get("constraints"))]
    return (named or telling or results)[0]


def _named(answer: Any) -> bool:
    return isinstance(answer, dict) and bool(answer.get("filename"))


def _index_of(answer: dict[str, Any], indexes: list[int]) -> int | None:
    match = _FILENAME.match(str(answer.get("filename") or ""))
    if match is not None:
        return int(match.group(1))
    position = answer.get("index")
    if isinstance(position, int) and 0 <= position < len(indexes):
        return indexes[position]
    return None


def split_constraints(raw: str) -> tuple[str, ...]:
    """Split the text into messages, one per line; an indented line continues the previous one."""
    messages: list[str] = []
    for line in raw.splitlines():
        if not line.strip():
            continue
        if messages and line[0] in " \t":
            messages[-1] += f"\n{line.rstrip()}"
        else:
            messages.append(line.rstrip())
    return tuple(messages)

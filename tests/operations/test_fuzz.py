"""Requests made by chance from the OpenAPI document, right ones and wrong ones: no answer is a 500, and every answer is
what the document says. The running system looks at all of them in the end; here each is looked at when it comes."""

from collections.abc import Iterator
from contextlib import closing

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from relay_contract.openapi import openapi
from tests.endtoend.relay import Relay
from tests.openapi import Exchange, Judge, path_of
from tests.operations.operator import Operator

OPERATIONS = {
    found.ok().label: found.ok()
    for found in schemathesis.openapi.from_dict(openapi()).get_all_operations()
    if isinstance(found, Ok)
}
# Where nothing is sent, not even a key, nothing can be wrong.
TRIED = [
    (label, mode)
    for label, operation in OPERATIONS.items()
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or operation.definition.raw["security"]
]
MODEST = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """One connection for all of them."""
    with closing(requests.Session()) as opened:
        opened.trust_env = False
        yield opened


@pytest.fixture(autouse=True)
def resumed(operator: Operator) -> Iterator[None]:
    """Nothing that was paused by chance stays so."""
    yield
    for pause in operator.get("pauses")["paused"]:
        operator.post("resumes", map=pause["map"])


def test_every_operation_of_the_document_is_tried() -> None:
    documented = {f"{method.upper()} {path}" for path, each in openapi()["paths"].items() for method in each}
    assert documented == OPERATIONS.keys()


@pytest.mark.parametrize(("label", "mode"), TRIED)
def test_whatever_is_asked_the_answer_is_what_the_document_says(
    system: Relay, session: requests.Session, label: str, mode: GenerationMode
) -> None:
    @MODEST
    @given(data=st.data())
    def ask(data: st.DataObject) -> None:
        case = data.draw(OPERATIONS[label].as_strategy(generation_mode=mode))
        asked = case.as_transport_kwargs(base_url=system.address("").rstrip("/"), headers=system.operator)
        answer = session.request(**asked, timeout=60, allow_redirects=False)
        problems = Judge().problems(
            Exchange(str(asked["method"]), path_of(answer.url), answer.status_code, _json(answer))
        )
        assert answer.status_code != 500, (asked, answer.text)
        assert not list(problems)

    ask()


def _json(answer: requests.Response) -> bytes:
    return answer.content if answer.headers.get("content-type") == "application/json" else b""

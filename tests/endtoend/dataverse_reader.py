"""Reading Dataverse as any OData client would, to compare with what arrived in Finance."""

import json
from collections.abc import Sequence
from decimal import Decimal
from itertools import batched
from typing import Any

import requests

from tests.endtoend.relay import Relay


def token(system: Relay, service: str) -> str:
    """A token of the simulated tenant."""
    stack = system.stack
    form = {
        "grant_type": "client_credentials",
        "client_id": stack.client_id,
        "client_secret": stack.client_secret,
        "scope": f"{stack.url(service)}/.default",
    }
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(f"{stack.authority}/oauth2/v2.0/token", data=form, verify=str(stack.ca), timeout=30)
    return str(answer.json()["access_token"])


def read_actuals(system: Relay, ids: Sequence[str]) -> list[dict[str, Any]]:
    """All columns of these actuals, amounts as Decimal."""
    headers = {"Authorization": f"Bearer {token(system, 'dataverse')}"}
    rows: list[dict[str, Any]] = []
    for some in batched(ids, 200, strict=False):
        values = ",".join(f'"{key}"' for key in some)
        condition = f"Microsoft.Dynamics.CRM.In(PropertyName='msdyn_actualid',PropertyValues=[{values}])"
        url = f"{system.stack.url('dataverse')}/api/data/v9.2/msdyn_actuals"
        answer = requests.get(url, params={"$filter": condition}, headers=headers, timeout=60)
        rows += json.loads(answer.content, parse_float=Decimal)["value"]
    return rows

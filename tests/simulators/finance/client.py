"""A plain HTTP client of a Finance environment, as the tests need one."""

import asyncio
import json
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import aiohttp

from simulators import tokens
from tests.simulators.finance.packages import Package

ACTION = "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities."
SECRET = "a secret of the simulated tenant only, nothing else"


@dataclass(frozen=True)
class Reply:
    """An answer with its body as text."""

    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        """The body, decimals exact."""
        return json.loads(self.text, parse_float=Decimal)

    @property
    def message(self) -> str:
        """The inner message of an error envelope, after checking the envelope."""
        error = self.json["error"]
        assert error["code"] == ""
        assert error["innererror"]["stacktrace"]
        return str(error["innererror"]["message"])


class Finance:
    """One environment, called by one registered application."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session

    def token(self, *, audience: str = "", client_id: str = "relay", lifetime: float = 3600) -> str:
        return tokens.issue(
            secret=SECRET,
            issuer="https://localhost/tenant",
            tenant="tenant",
            audience=audience or self.url,
            client_id=client_id,
            lifetime=lifetime,
        )

    async def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, data: bytes | None = None
    ) -> Reply:
        """Send one service request; `path` may be a full next link."""
        url = path if path.startswith("http") else self.url + path
        all_headers = {"Authorization": f"Bearer {self.token()}"} | (headers or {})
        async with self.session.request(method, url, json=body, data=data, headers=all_headers) as answer:
            raw = await answer.read()
            named = {name.lower(): value for name, value in answer.headers.items()}
            return Reply(answer.status, raw.decode(), named)

    async def get(self, path: str) -> Any:
        reply = await self.send("GET", path)
        assert reply.status == 200, reply.text
        return reply.json

    async def call(self, action: str, **body: Any) -> Reply:
        return await self.send("POST", ACTION + action, body)

    async def value(self, action: str, **body: Any) -> Any:
        reply = await self.call(action, **body)
        assert reply.status == 200, reply.text
        return reply.json["value"]

    async def upload(self, package: Package | bytes) -> str:
        """Put a package where Finance says and return its URL."""
        data = package.build() if isinstance(package, Package) else package
        target = json.loads(await self.value("GetAzureWriteUrl", uniqueFileName=f"{uuid.uuid4()}.zip"))
        async with self.session.put(target["BlobUrl"], data=data, headers={"x-ms-blob-type": "BlockBlob"}) as answer:
            assert answer.status == 201, await answer.text()
        return str(target["BlobUrl"])

    async def start(self, package: Package | bytes, action: str = "ImportFromPackageAsync", **changes: Any) -> Reply:
        """Upload a package and call the import action."""
        body = {
            "packageUrl": await self.upload(package),
            "definitionGroupId": f"Project {uuid.uuid4()}",
            "executionId": str(uuid.uuid4()),
            "execute": True,
            "overwrite": True,
            "legalEntityId": "usmf",
            "failOnError": False,
            "runAsyncWithoutBatch": False,
            "thresholdToRunInBatch": 1,
        }
        return await self.call(action, **(body | changes))

    async def started(self, package: Package | bytes, **changes: Any) -> str:
        """Start an import and return its execution id."""
        reply = await self.start(package, **changes)
        assert reply.status == 200, reply.text
        return str(reply.json["value"])

    async def status(self, execution_id: str) -> str:
        """Return the status, "" while the execution is not found."""
        reply = await self.call("GetExecutionSummaryStatus", executionId=execution_id)
        if reply.status == 400 and "Execution details were not found" in reply.text:
            return ""
        return str(reply.json["value"])

    async def finish(self, execution_id: str) -> str:
        """Poll until the execution has ended and return how."""
        while True:
            status = await self.status(execution_id)
            if status not in {"", "NotRun", "Executing"}:
                return status
            await asyncio.sleep(0.01)

    async def run(self, package: Package | bytes, **changes: Any) -> tuple[str, str]:
        """Import a package to its end; return the status and the execution id."""
        execution_id = await self.started(package, **changes)
        return await self.finish(execution_id), execution_id

    async def errors(self, execution_id: str) -> list[dict[str, str]]:
        """Return the errors; the test has switched on well-formed ones."""
        found: list[dict[str, str]] = json.loads(await self.value("GetExecutionErrors", executionId=execution_id))
        return found

    async def job(self, execution_id: str) -> dict[str, Any]:
        """Return the job details of an execution of one entity."""
        found = await self.get(f"/data/DataManagementExecutionJobDetails?$filter=JobId eq '{execution_id}'")
        assert len(found["value"]) == 1
        return dict(found["value"][0])

    async def switch(self, **switches: Any) -> None:
        async with self.session.put(f"{self.url}/sim/switches", json=switches) as answer:
            assert answer.status == 200, await answer.text()

    async def sim(self, path: str) -> Any:
        async with self.session.get(f"{self.url}/sim/{path}") as answer:
            assert answer.status == 200, await answer.text()
            return json.loads(await answer.text(), parse_float=Decimal)

    async def lines(self, path: str) -> list[dict[str, Any]]:
        async with self.session.get(f"{self.url}/sim/{path}") as answer:
            text = await answer.text()
        return [json.loads(line, parse_float=Decimal) for line in text.splitlines()]

    async def do(self, path: str, body: Any = None, data: str | None = None) -> Reply:
        """Post to a control route."""
        async with self.session.post(f"{self.url}/sim/{path}", json=body, data=data) as answer:
            return Reply(answer.status, await answer.text(), {})

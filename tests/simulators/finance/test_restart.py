"""A process with a data directory stops and comes back."""

from pathlib import Path

import aiohttp

from simulators.azurite import Azurite
from tests.simulators.finance.client import Finance
from tests.simulators.finance.conftest import QUICK, server_of
from tests.simulators.finance.packages import ACTUALS, new_id, package_of, unbilled


async def test_a_stop_keeps_what_was_written_and_fails_what_was_running(
    azurite: Azurite, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    server = server_of(azurite, tmp_path, "--data", str(tmp_path / "data"))
    server.start()
    server.await_ready()
    project = f"Relay {new_id()}"
    try:
        finance = Finance(server.url, session)
        await finance.switch(**QUICK | {"importSecondsPerRow": 0.001})
        execution = await finance.started(
            package_of(ACTUALS, [unbilled() for _ in range(5000)]), definitionGroupId=project
        )
        while (await finance.sim("counts"))["actuals"] == 0:
            pass
        assert server.stop() == 0, server.tail()

        server.start()
        server.await_ready()
        finance = Finance(server.url, session)
        await finance.switch(**QUICK)
        assert await finance.status(execution) == "Failed"
        assert 0 < (await finance.sim("counts"))["actuals"] < 5000
        assert (await finance.run(package_of(ACTUALS, [unbilled()]), definitionGroupId=project))[0] == "Succeeded"
    finally:
        server.stop()

"""The web application: routes to their parts, started and stopped as one process."""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from simulators.asked import Asked
from simulators.finance.actions import Actions
from simulators.finance.batch import Batch
from simulators.finance.blobs import Blobs
from simulators.finance.business import Business
from simulators.finance.changes import Changer
from simulators.finance.computed import Computed
from simulators.finance.control import Control
from simulators.finance.data import Data
from simulators.finance.executions import Executions
from simulators.finance.gate import Gate, route_name
from simulators.finance.imports import Imports
from simulators.finance.metadata import Metadata
from simulators.finance.periodic import StagingImport
from simulators.finance.proposals import Proposals
from simulators.finance.queries import Reader, Source
from simulators.finance.readings import Readings
from simulators.finance.sets import EntitySet
from simulators.finance.setup import SETUP_SETS, Facts, rows_of
from simulators.finance.store import Store
from simulators.finance.switches import Switches
from simulators.finance.uploads import Uploads
from simulators.losses import Losses
from simulators.tokens import TokenCheck

LARGEST_BODY = 1024**3


@dataclass(frozen=True)
class Settings:
    """How a Finance process is started. `data` is a directory that outlives it; None: a temporary one."""

    token_secret: str
    storage: str
    data: Path | None = None
    clients: frozenset[str] | None = None


def build(settings: Settings, origin: str) -> web.Application:
    """Return the application that serves one simulated Finance environment at `origin`."""
    scratch = tempfile.TemporaryDirectory(prefix="finance-")
    directory = settings.data or Path(scratch.name)
    directory.mkdir(parents=True, exist_ok=True)
    switches = Switches()
    store = Store(directory)
    blobs = Blobs(settings.storage, switches, origin)
    executions = Executions(store, switches)
    imports = Imports(store, blobs, switches, executions, Path(scratch.name))
    actions = Actions(
        origin=origin, store=store, blobs=blobs, switches=switches, executions=executions, imports=imports
    )
    changer = Changer(store, switches)
    asked = Asked()
    losses = Losses(lambda request: f"{request.method} {route_name(request)}")
    gate = Gate(switches, TokenCheck(settings.token_secret, origin, settings.clients))
    facts = Facts(switches, gate.callers if settings.clients is None else settings.clients)

    def source_of(entity_set: EntitySet) -> Source:
        return Computed(entity_set, rows_of(entity_set, facts)) if entity_set in SETUP_SETS else store

    data = Data(Reader(source_of, f"{origin}/data"), changer, switches, origin)
    periodic = StagingImport(store, switches)
    controls = (
        Control(store, switches, executions, gate),
        Business(store, periodic, Proposals(store, switches, periodic)),
    )

    app = web.Application(
        client_max_size=LARGEST_BODY, middlewares=[losses.pass_through, asked.pass_through, gate.pass_through]
    )
    losses.add_routes(app.router)
    asked.add_routes(app.router)
    Uploads(blobs).add_routes(app.router)
    app.router.add_post("/data/DataManagementDefinitionGroups/{action}", actions.answer)
    Readings(origin, facts).add_routes(app.router)
    app.router.add_post("/data/$batch", Batch(data, changer, switches).answer)
    Metadata(origin, switches).add_routes(app.router)
    app.router.add_route("*", "/data/{resource:.+}", data.answer)
    for control in controls:
        control.add_routes(app.router)

    async def run(_app: web.Application) -> AsyncIterator[None]:
        await asyncio.to_thread(blobs.prepare)
        logging.getLogger(__name__).info("Finance serves %s", origin)
        yield
        store.close()
        await imports.stop()
        scratch.cleanup()

    app.cleanup_ctx.append(run)
    return app

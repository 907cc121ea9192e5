"""The control routes that play Finance's users: seeding, the periodic job, posting."""

import asyncio
import io

import orjson
from aiohttp import web

from simulators.finance.control import plain
from simulators.finance.entities import COMPANIES, DEFAULT_COMPANY
from simulators.finance.periodic import RunRefused, StagingImport
from simulators.finance.proposals import NothingToPost, Proposals
from simulators.finance.seeding import SeedRefused, seed
from simulators.finance.store import Store


class Business:
    """Control routes; errors are 400 or 409 with `{"error": …}`."""

    def __init__(self, store: Store, periodic: StagingImport, proposals: Proposals) -> None:
        self._store = store
        self._periodic = periodic
        self._proposals = proposals

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add what this part serves."""
        router.add_post("/sim/seed", self.post_seed)
        router.add_post("/sim/import-from-staging", self.post_import)
        router.add_get("/sim/import-log", self.get_log)
        router.add_post("/sim/post-journal", self.post_journal)
        router.add_get("/sim/proposals", self.get_proposals)
        router.add_get("/sim/proposals/{company}/{id}", self.get_proposal)
        router.add_post("/sim/proposals/{company}/{id}/post", self.post_proposal)

    async def post_seed(self, request: web.Request) -> web.Response:
        """`POST /sim/seed`, JSON lines: rows that Finance holds from earlier."""
        lines = io.StringIO((await request.read()).decode(), newline="\n")
        try:
            held = await asyncio.to_thread(seed, self._store, lines)
        except SeedRefused as refused:
            return plain({"error": str(refused)}, 400)
        return plain({"held": held})

    async def post_import(self, request: web.Request) -> web.Response:
        """`POST /sim/import-from-staging` {company}: run the periodic job once."""
        try:
            return plain(await self._periodic.run(await _company(request)))
        except RunRefused as refused:
            return plain({"error": str(refused)}, 409)

    async def get_log(self, request: web.Request) -> web.Response:
        """`GET /sim/import-log?after=N`: why proposals were not processed, run by run."""
        return plain(self._periodic.log(int(request.query.get("after", "0"))))

    async def post_journal(self, request: web.Request) -> web.Response:
        """`POST /sim/post-journal` {company}: post the integration journal."""
        company = await _company(request)
        return plain({"posted": await asyncio.to_thread(self._proposals.post_journal, company)})

    async def get_proposals(self, _request: web.Request) -> web.Response:
        """`GET /sim/proposals`: all of them."""
        return plain(await asyncio.to_thread(self._proposals.all))

    async def get_proposal(self, request: web.Request) -> web.Response:
        """`GET /sim/proposals/{company}/{id}`: one of them."""
        found = await asyncio.to_thread(self._proposals.one, *_place(request))
        known = found["headerPresent"] or found["billedRows"]
        return plain(found) if known else plain({"error": "no such proposal"}, 404)

    async def post_proposal(self, request: web.Request) -> web.Response:
        """`POST /sim/proposals/{company}/{id}/post`: post its lines."""
        try:
            return plain(await asyncio.to_thread(self._proposals.post, *_place(request)))
        except NothingToPost as refused:
            return plain({"error": str(refused)}, 409)


def _place(request: web.Request) -> tuple[str, str]:
    return request.match_info["company"], request.match_info["id"]


async def _company(request: web.Request) -> str:
    company = str(orjson.loads(await request.read() or b"{}").get("company", DEFAULT_COMPANY)).lower()
    if company not in COMPANIES:
        raise web.HTTPBadRequest(text=orjson.dumps({"error": f"no such company: {company}"}).decode())
    return company

"""The table maps for administrators: what is in use, checks, translations, push and activate."""

import json

import azure.functions as func

from operate.api.answers import read_body, serve
from operate.maps import against, files, translation
from relay_contract import endpoints
from relay_contract.maps import ActivatedMap, MapCheck, MapFile, MapHistory, MapsInUse, PushedMap, Translation
from relay_contract.requests import MapActivationRequest, MapCheckRequest, MapPushRequest, MapTranslationRequest
from shared.engine.ports import Ports
from shared.wiring import ports

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


@serve(blueprint, endpoints.LIST_MAPS)
async def show_maps(req: func.HttpRequest) -> MapsInUse:
    """List the maps in use."""
    del req
    return await files.list_maps(await ports())


@serve(blueprint, endpoints.SHOW_MAP_HISTORY)
async def show_map_history(req: func.HttpRequest) -> MapHistory:
    """List the files of a map and its activations."""
    return await files.history(*await _named(req))


@serve(blueprint, endpoints.SHOW_MAP_FILE)
async def show_map_file(req: func.HttpRequest) -> MapFile:
    """Show a file of a map."""
    return await files.show(*await _named(req), req.route_params["digest"])


@serve(blueprint, endpoints.CHECK_MAP)
async def post_map_check(req: func.HttpRequest) -> MapCheck:
    """Check a map against the tenant."""
    asked, (works, stage) = read_body(req, MapCheckRequest), await _named(req)
    return await against.check(works, stage, files.read_content(works, stage, json.dumps(asked.content)))


@serve(blueprint, endpoints.TRANSLATE_MAP)
async def post_map_translation(req: func.HttpRequest) -> Translation:
    """Translate a dual-write map."""
    asked, (works, stage) = read_body(req, MapTranslationRequest), await _named(req)
    return await translation.translate(works, stage, asked.mapping)


@serve(blueprint, endpoints.PUSH_MAP)
async def post_map_file(req: func.HttpRequest) -> PushedMap:
    """Store a map, inactive."""
    asked, (works, stage) = read_body(req, MapPushRequest), await _named(req)
    return await files.push(works, stage, asked, files.read_content(works, stage, json.dumps(asked.content)))


@serve(blueprint, endpoints.ACTIVATE_MAP)
async def post_map_activation(req: func.HttpRequest) -> ActivatedMap:
    """Put a stored map into use."""
    asked, (works, stage) = read_body(req, MapActivationRequest), await _named(req)
    return await files.activate(works, stage, asked)


async def _named(req: func.HttpRequest) -> tuple[Ports, str]:
    works = await ports()
    return works, files.check_name(works, req.route_params["map"])

"""The files of a map: those in storage and the shipped one, by their digests; push and activate."""

from collections.abc import Sequence

from operate.api.refusals import BadRequest
from operate.maps.against import check
from relay_contract.maps import (
    ActivatedMap,
    MapActivation,
    MapCheck,
    MapFile,
    MapHistory,
    MapInUse,
    MapsInUse,
    PushedMap,
    StoredMap,
)
from relay_contract.requests import MapActivationRequest, MapPushRequest
from shared.engine.ports import Ports
from shared.errors import LeaseLost, NewerVersion
from shared.maps.review import review
from shared.maps.table_map import MapRefused, TableMap
from shared.storage.activations import SHIPPED, Activation
from shared.storage.owner import LOOK_AGAIN_SECONDS

_MOST_STORED = 200


def check_name(ports: Ports, stage: str) -> str:
    """The name of a map of the job. Raises BadRequest (404)."""
    if stage not in ports.job.maps:
        raise BadRequest(404, "noMap", f"There is no map {stage}; the maps are {', '.join(ports.job.maps)}")
    return stage


async def list_maps(ports: Ports) -> MapsInUse:
    """All maps, and where each comes from."""
    return MapsInUse(maps=[await _describe(ports, stage) for stage in ports.job.maps])


async def _describe(ports: Ports, stage: str) -> MapInUse:
    used, shipped = ports.in_use.chosen.get(stage), ports.map_choice.shipped[stage]
    aside = next((each for each in ports.in_use.set_aside if each.stage == stage), None)
    base = await ports.map_choice.files.base_of(stage, used.digest) if used else ""
    standing = ports.in_use.activations.get(stage, ())
    return MapInUse(
        map=stage,
        version=ports.maps[stage].version,
        digest=ports.in_use.file_of(stage),
        shipped_version=shipped.version,
        shipped_digest=shipped.file_digest,
        base_digest=base,
        activated=_activation(standing[0]) if standing else None,
        problem=" ".join(aside.reason.split()) if aside else "",
    )


def _activation(activation: Activation) -> MapActivation:
    return MapActivation(digest=activation.digest, version=activation.version, at=activation.at, by=activation.by)


async def history(ports: Ports, stage: str) -> MapHistory:
    """What was in use when, and what is in storage."""
    digests = [digest async for digest in ports.map_choice.files.digests(stage)]
    stored = [await _stored(ports, stage, digest) for digest in digests[:_MOST_STORED]]
    return MapHistory(
        map=stage,
        in_use=ports.in_use.file_of(stage),
        activations=[_activation(each) for each in await ports.activation_log.of(stage)],
        stored=sorted(stored, key=lambda each: str(each.at), reverse=True),
    )


async def _stored(ports: Ports, stage: str, digest: str) -> StoredMap:
    try:
        record = await ports.map_choice.files.record(stage, digest)
    except (MapRefused, NewerVersion) as error:
        return StoredMap(digest=digest, version="", at=None, by="", problem=" ".join(str(error).split()))
    return StoredMap(digest=digest, version=record.table_map.version, at=record.at, by=record.by)


async def show(ports: Ports, stage: str, name: str) -> MapFile:
    """The content of a file. Raises BadRequest (404)."""
    digest = await _resolve(ports, stage, name)
    try:
        table_map = await _load(ports, stage, digest)
    except BadRequest:
        if name != "active":
            raise
        # It was lost in storage while it is in use. What compares it with another map must go on, or none could be
        # activated instead.
        table_map = ports.maps[stage]
    return MapFile(map=stage, digest=digest, version=table_map.version, content=table_map.document)


async def _resolve(ports: Ports, stage: str, name: str) -> str:
    """The digest of a file by its name: shipped, active, base, or the beginning of a digest."""
    in_use = ports.in_use.file_of(stage)
    if name == "shipped":
        return SHIPPED
    if name == "active":
        return in_use
    if name == "base":
        return await ports.map_choice.files.base_of(stage, in_use) if in_use else SHIPPED
    found = await ports.map_choice.files.find(stage, name)
    if len(found) != 1:
        what = "no file" if not found else f"{len(found)} files"
        text = (
            f"There is {what} of map {stage} whose digest begins with {name}. `relay maps history {stage}` lists them"
        )
        raise BadRequest(404, "noMap", text)
    return found[0]


async def _load(ports: Ports, stage: str, digest: str) -> TableMap:
    if digest == SHIPPED:
        return ports.map_choice.shipped[stage]
    try:
        return await ports.map_choice.files.get(stage, digest)
    except MapRefused as refused:
        raise BadRequest(409, "mapRefused", str(refused)) from refused


def read_content(ports: Ports, stage: str, text: str) -> TableMap:
    """A map from the text of its file. Raises BadRequest with all faults."""
    found = review(text)
    if found.faults or found.table_map is None:
        faults = "; ".join(f"{each.about}: {each.text}" if each.about else each.text for each in found.faults)
        raise BadRequest(400, "mapRefused", f"{stage}.json is refused: {faults}")
    try:
        ports.map_choice.check(stage, found.table_map)
    except MapRefused as refused:
        raise BadRequest(400, "mapRefused", " ".join(str(refused).split())) from refused
    return found.table_map


async def push(ports: Ports, stage: str, asked: MapPushRequest, table_map: TableMap) -> PushedMap:
    """Store a map, inactive, beside the shipped one that it is compared with later."""
    await ports.audit.note(
        "push map", asked.by, {"map": stage, "digest": table_map.file_digest, "version": table_map.version}
    )
    files, shipped = ports.map_choice.files, ports.map_choice.shipped[stage]
    base = await files.put(stage, shipped, by=asked.by, at=ports.now())
    digest = await files.put(stage, table_map, by=asked.by, at=ports.now(), base=base)
    return PushedMap(map=stage, digest=digest, version=table_map.version)


async def activate(ports: Ports, stage: str, asked: MapActivationRequest) -> ActivatedMap:
    """Put a file into use. One that was never in use is checked against the tenant first. Raises BadRequest (409) for a
    map that cannot be used, and if another one was activated meanwhile."""
    digest = await _resolve(ports, stage, asked.digest)
    standing = await ports.activation_log.of(stage)
    before = standing[0].digest if standing else SHIPPED
    if asked.instead_of is not None and not _is_used(ports, stage, asked.instead_of, standing):
        raise _overtaken(stage)
    table_map = await _load(ports, stage, digest)
    accepted = _accept(ports, stage, table_map)
    if not asked.unproven:
        _check_identity(stage, ports.maps[stage], accepted)
    # The way back must be open while a service does not answer.
    is_known = digest == SHIPPED or digest in {each.digest for each in standing}
    checked = None if is_known else await _prove(ports, stage, table_map, unproven=asked.unproven)
    what = {"map": stage, "digest": digest, "version": table_map.version, "before": before}
    await ports.audit.note("activate map", asked.by, what | {"unproven": asked.unproven})
    try:
        await ports.activation_log.activate(stage, digest, table_map.version, by=asked.by, instead_of=before)
    except LeaseLost as lost:
        raise _overtaken(stage) from lost
    ports.ownership.look_again()
    return ActivatedMap(
        map=stage,
        digest=digest,
        version=table_map.version,
        before=before,
        within_seconds=round(LOOK_AGAIN_SECONDS),
        check=checked,
    )


def _overtaken(stage: str) -> BadRequest:
    text = f"Another map was activated meanwhile: `relay maps history {stage}` says which. Look at it and repeat"
    return BadRequest(409, "changedMeanwhile", text)


def _is_used(ports: Ports, stage: str, digest: str, standing: Sequence[Activation]) -> bool:
    """Whether a file is the one in use after these activations. That is not the newest of them if it was set aside."""
    if ports.in_use.activations.get(stage, ()) == standing:
        return digest == ports.in_use.file_of(stage)
    return digest == (standing[0].digest if standing else SHIPPED)


def _accept(ports: Ports, stage: str, table_map: TableMap) -> TableMap:
    """The map as it will be worked with. Raises BadRequest if its step cannot, or not beside the other maps."""
    try:
        ports.map_choice.check(stage, table_map)
        return ports.map_choice.accept({**ports.maps, stage: table_map})[stage]
    except MapRefused as refused:
        raise BadRequest(409, "mapRefused", " ".join(str(refused).split())) from refused


def _check_identity(stage: str, before: TableMap, after: TableMap) -> None:
    """Raise BadRequest for a map that recognizes rows by something else than the map in use. What is there is then not
    updated by a replay, a repair or a run that is under way, but written a second time."""
    old, new = before.identity, after.identity
    if changed := [name for name in {**old, **new} if old.get(name) != new.get(name)]:
        raise BadRequest(
            409,
            "mapRefused",
            f"{stage}.json changes what Finance recognizes rows by: {', '.join(changed)}. Rows that were sent before "
            "and are sent again would be there twice. If none was sent under the map in use, that can be accepted "
            "(--unproven)",
        )


async def _prove(ports: Ports, stage: str, table_map: TableMap, *, unproven: bool) -> MapCheck:
    found = await check(ports, stage, table_map)
    wanted = {"fail"} if unproven else {"fail", "unknown"}
    if open_remarks := [each for each in found.remarks if each.verdict in wanted]:
        told = "; ".join(f"{each.about}: {each.text}" for each in open_remarks)
        end = "" if not found.passed else ". What could not be seen can be accepted (--unproven)"
        raise BadRequest(409, "mapRefused", f"{stage}.json does not fit the tenant: {told}{end}")
    return found

"""The webhook in Dataverse: its endpoint, step and image, and the system jobs that deliver its events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.visit import Visit
from relay_contract.endpoints import CONFIRM_INVOICE
from shared.clock import stamp
from shared.maps.transforms import Row

REGISTER = "Run `relay webhook register`"
_SHOW = "`relay webhook show` tells what is there"
_PATH = f"/api/{CONFIRM_INVOICE.path}"
_STATUS, _ORDER_TYPE = "msdyn_projectinvoicestatus", "msdyn_ordertype"
_HEADER, _POST_OPERATION, _ASYNCHRONOUS, _ENABLED = 5, 40, 1, 0
_POST_IMAGES = (1, 2)
_FAILED, _COMPLETED, _SUSPENDED = 31, 3, 1
_PERIOD, _DELAYED, _LATE = timedelta(days=7), timedelta(minutes=15), timedelta(hours=2)
_MOST_NAMED = 5
# Each costs a request to storage, and a check has a time limit.
_MOST_EXAMINED = 100
_MESSAGES = ("Update", "UpdateMultiple")

_ENDPOINTS = {
    "$filter": "contract eq 8",
    "$select": "serviceendpointid,name,url,authtype,isauthvalueset",
}
_STEP = "sdkmessageprocessingstepid,name,stage,mode,asyncautodelete,filteringattributes,statecode"
_PARTS = "sdkmessageid($select=name),sdkmessagefilterid($select=primaryobjecttypecode)"
_IMAGE = "entityalias,imagetype,attributes,messagepropertyname"
_JOB = "createdon,completedon,friendlymessage,errorcode,retrycount,_regardingobjectid_value"


@dataclass(frozen=True)
class _Registered:
    """The webhook endpoints that lead to this app, and those that lead to its path on another host."""

    ours: list[Row]
    elsewhere: list[Row]


async def _registered(visit: Visit) -> _Registered:
    rows = [row for row in await visit.dataverse.read("serviceendpoints", _ENDPOINTS) if _path(row) == _PATH]
    host = visit.settings.host_name.lower()
    # Outside Azure the app does not know under which name it is called.
    ours = [row for row in rows if not host or urlsplit(str(row["url"])).netloc.lower() == host]
    return _Registered(ours, [row for row in rows if row not in ours])


def _path(endpoint: Row) -> str:
    return urlsplit(str(endpoint.get("url") or "")).path.rstrip("/").lower()


async def look_at_endpoint(visit: Visit) -> Finding:
    """One endpoint leads to this app, with a key in a header."""
    found = await _registered(visit)
    expected = f"one webhook endpoint for {visit.settings.host_name or 'this app'}{_PATH}, with a key in a header"
    if not found.ours:
        return _without_endpoint(found, expected)
    if len(found.ours) > 1:
        ids = _listed(str(row["serviceendpointid"]) for row in found.ours)
        step = "Delete those that are not used, in the Plug-in Registration Tool, then run `relay webhook register`"
        return Finding(Verdict.WARN, f"{len(found.ours)} webhook endpoints lead to this app: {ids}", expected, step)
    [endpoint] = found.ours
    seen = f"the webhook endpoint {endpoint['name']} leads to {endpoint['url']}"
    if not endpoint["isauthvalueset"]:
        return Finding(Verdict.FAIL, f"{seen} and has no key, so every event is refused", expected, REGISTER)
    if endpoint["authtype"] != _HEADER:
        return Finding(Verdict.WARN, f"{seen} and sends its key in the address, where logs keep it", expected, REGISTER)
    return Finding(Verdict.OK, seen, expected)


def _without_endpoint(found: _Registered, expected: str) -> Finding:
    if not found.elsewhere:
        return Finding(Verdict.FAIL, "no webhook endpoint leads to this app", expected, REGISTER)
    urls = _listed(str(row["url"]) for row in found.elsewhere)
    step = f"If that is a custom domain of this app, all is well; else run `relay webhook register` ({_SHOW})"
    return Finding(Verdict.WARN, f"no webhook endpoint leads to this host, but one to {urls}", expected, step)


async def _steps(visit: Visit) -> list[Row]:
    """The steps of the app's endpoints that hear of changed invoices. An endpoint of a custom domain counts."""
    found = await _registered(visit)
    rows = [row for endpoint in found.ours or found.elsewhere for row in await _steps_of(visit, endpoint)]
    return [row for row in rows if _name(row, "sdkmessageid", "name") in _MESSAGES and _is_of_invoices(row)]


async def _steps_of(visit: Visit, endpoint: Row) -> list[Row]:
    condition = f"_eventhandler_value eq {endpoint['serviceendpointid']}"
    options = {"$filter": condition, "$select": _STEP, "$expand": _PARTS}
    return await visit.dataverse.read("sdkmessageprocessingsteps", options)


def _is_of_invoices(step: Row) -> bool:
    return _name(step, "sdkmessagefilterid", "primaryobjecttypecode") == "invoice"


def _name(row: Row, lookup: str, column: str) -> str:
    target = row.get(lookup)
    return str(target.get(column, "")) if isinstance(target, Mapping) else ""


async def look_at_step(visit: Visit) -> Finding:
    """One step sends every confirmation, asynchronously, and is enabled."""
    steps = await _steps(visit)
    expected = f"one enabled, asynchronous step on Update of invoice, after the operation, filtered by {_STATUS}"
    if not steps:
        return Finding(Verdict.FAIL, "no step sends updates of invoices to this app", expected, REGISTER)
    enabled = [step for step in steps if step["statecode"] == _ENABLED]
    if not enabled:
        seen = f"the step {steps[0]['name']} is disabled, so no event is sent; the sweep still finds every invoice"
        return Finding(Verdict.FAIL, seen, expected, REGISTER)
    if len(enabled) > 1:
        seen = (
            f"{len(enabled)} steps send each confirmation: {_listed(_id(step) for step in enabled)}. It is carried once"
        )
        step = "Delete all but one in the Plug-in Registration Tool, then run `relay webhook register`"
        return Finding(Verdict.WARN, seen, expected, step)
    return _judge_step(enabled[0], expected)


def _judge_step(step: Row, expected: str) -> Finding:
    columns = _names(step.get("filteringattributes"))
    seen = f"the step {step['name']} is enabled"
    if columns and _STATUS not in columns:
        return Finding(
            Verdict.FAIL, f"{seen}, and hears of {_listed(columns)} but not of {_STATUS}", expected, REGISTER
        )
    if step["mode"] != _ASYNCHRONOUS:
        wrong = "and synchronous: a confirmation waits for this app and fails with it"
        return Finding(Verdict.FAIL, f"{seen} {wrong}", expected, REGISTER)
    faults = [
        *([f"is of stage {step['stage']}"] if step["stage"] != _POST_OPERATION else []),
        *(["hears of every change of an invoice"] if not columns else []),
        *(["keeps the system jobs of events that were delivered"] if not step["asyncautodelete"] else []),
    ]
    if faults:
        return Finding(Verdict.WARN, f"{seen} and {' and '.join(faults)}", expected, REGISTER)
    return Finding(Verdict.OK, seen, expected)


async def look_at_image(visit: Visit) -> Finding:
    """An event tells status and kind of the invoice. Without them the app opens a run for each event and looks."""
    expected = f"a post-image of the step with {_STATUS} and {_ORDER_TYPE}, of the message's Target"
    steps = await _steps(visit)
    if not steps:
        return Finding(Verdict.UNKNOWN, "there is no step, so no image is looked for", expected, REGISTER)
    images = [image for step in steps for image in await _images(visit, step)]
    if not images:
        return Finding(Verdict.WARN, "the step has no post-image", expected, REGISTER)
    for image in images:
        columns = _names(image.get("attributes"))
        if image["messagepropertyname"] == "Target" and (not columns or {_STATUS, _ORDER_TYPE} <= set(columns)):
            named = _listed(columns) if columns else "all columns"
            return Finding(Verdict.OK, f"the post-image {image['entityalias']} has {named}", expected)
    first = images[0]
    named = _listed(_names(first.get("attributes"))) or "all columns"
    seen = f"the post-image {first['entityalias']} of {first['messagepropertyname']} has {named}"
    return Finding(Verdict.WARN, seen, expected, REGISTER)


async def _images(visit: Visit, step: Row) -> list[Row]:
    options = {"$filter": f"_sdkmessageprocessingstepid_value eq {_id(step)}", "$select": _IMAGE}
    rows = await visit.dataverse.read("sdkmessageprocessingstepimages", options)
    return [row for row in rows if row["imagetype"] in _POST_IMAGES]


async def look_at_failures(visit: Visit) -> Finding:
    """No event was refused lately. Dataverse sends an event once; the sweep finds its invoice later."""
    expected = f"no event of the last {_PERIOD.days} days was lost"
    steps = await _steps(visit)
    if not steps:
        return Finding(Verdict.UNKNOWN, "there is no step, so no system job is looked for", expected, REGISTER)
    since = stamp(visit.now() - _PERIOD)
    failed = [
        job for step in steps for job in await _jobs(visit, step, f"statuscode eq {_FAILED} and createdon ge {since}")
    ]
    if not failed:
        return Finding(Verdict.OK, "no system job of the step has failed lately", expected)
    latest = max(failed, key=lambda job: str(job["createdon"]))
    invoices = _invoices(failed)[:_MOST_EXAMINED]
    waiting = [invoice for invoice in invoices if await visit.ports.ledger.run(invoice) is None]
    reason = str(latest.get("friendlymessage") or f"error {latest.get('errorcode')}")
    seen = (
        f"{_counted(len(failed), 'event was', 'events were')} refused, the last one at {latest['createdon']}: {reason}"
    )
    if waiting:
        lost = f"{_counted(len(waiting), 'invoice has', 'invoices have')} no run: {_listed(map(str, waiting))}"
        return Finding(Verdict.FAIL, f"{seen} {lost}", expected, "Run `relay sweep`, which starts them")
    if not invoices:
        unnamed = "Their system jobs name no invoice, so it is not known whether a run has begun"
        return Finding(Verdict.WARN, f"{seen} {unnamed}", expected, "Run `relay sweep`, which starts what is missing")
    step = "For status 401 run `relay webhook rotate`; else see docs/runbook.md, `A webhook is refused`"
    examined = (
        "All their invoices" if len(invoices) < _MOST_EXAMINED else f"The latest {_MOST_EXAMINED} of their invoices"
    )
    return Finding(Verdict.WARN, f"{seen} {examined} have a run", expected, step)


async def look_at_backlog(visit: Visit) -> Finding:
    """Dataverse's asynchronous service keeps up with the events."""
    expected = f"no event waits in Dataverse for more than {int(_DELAYED.total_seconds() / 60)} minutes"
    steps = await _steps(visit)
    if not steps:
        return Finding(Verdict.UNKNOWN, "there is no step, so no system job is looked for", expected, REGISTER)
    jobs = [
        job for step in steps for job in await _jobs(visit, step, f"statecode ne {_COMPLETED}", "createdon,statecode")
    ]
    if not jobs:
        return Finding(Verdict.OK, "no event waits in Dataverse", expected)
    oldest = min(str(job["createdon"]) for job in jobs)
    seen = f"{_counted(len(jobs), 'event waits', 'events wait')} in Dataverse, the oldest since {oldest}"
    if oldest >= stamp(visit.now() - _DELAYED):
        return Finding(Verdict.OK, seen, expected)
    paused = any(job["statecode"] == _SUSPENDED for job in jobs)
    step = "Resume them in Dataverse: Settings > System jobs" if paused else "Wait; the sweep starts their invoices"
    late = oldest < stamp(visit.now() - _LATE)
    return Finding(Verdict.FAIL if late and paused else Verdict.WARN, seen, expected, step)


async def _jobs(visit: Visit, step: Row, condition: str, select: str = _JOB) -> list[Row]:
    options = {
        "$filter": f"_owningextensionid_value eq {_id(step)} and {condition}",
        "$select": select,
        "$orderby": "createdon desc",
    }
    return await visit.dataverse.read("asyncoperations", options)


def _invoices(jobs: Iterable[Row]) -> list[UUID]:
    """The invoices that jobs were about, each once."""
    named = dict.fromkeys(str(job["_regardingobjectid_value"]) for job in jobs if job.get("_regardingobjectid_value"))
    return [UUID(each) for each in named]


def _id(step: Row) -> str:
    return str(step["sdkmessageprocessingstepid"])


def _names(columns: object) -> list[str]:
    return [name.strip() for name in str(columns or "").split(",") if name.strip()]


def _listed(items: Iterable[str]) -> str:
    named = list(items)
    more = len(named) - _MOST_NAMED
    return ", ".join(named[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _counted(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


CHECKS = (
    Check("webhook-endpoint", "The webhook's endpoint", "webhook", look_at_endpoint),
    Check("webhook-step", "The webhook's step", "webhook", look_at_step),
    Check("webhook-image", "The image of the webhook's step", "webhook", look_at_image),
    Check("webhook-failures", "Events that were refused", "webhook", look_at_failures),
    Check("webhook-backlog", "Events that wait in Dataverse", "webhook", look_at_backlog),
)

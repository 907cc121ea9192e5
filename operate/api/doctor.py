"""The doctor for operators: start it, and see what it found."""

import azure.functions as func

from operate.api.answers import read_body, serve
from operate.api.refusals import BadRequest
from operate.doctor.diagnosis import chosen, describe, describe_last, start
from relay_contract import endpoints
from relay_contract.doctor import Diagnosis
from relay_contract.reconciliation import JobAccepted
from relay_contract.requests import DoctorRequest
from shared.wiring import ports

blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


@serve(blueprint, endpoints.START_DOCTOR)
async def post_doctor(req: func.HttpRequest) -> JobAccepted:
    """Start a run of the doctor."""
    asked = read_body(req, DoctorRequest)
    # Refused before it is audited: a name that no check has starts nothing.
    chosen(asked.only)
    works = await ports()
    job = await start(works, by=asked.by, only=asked.only)
    await works.audit.note("doctor", asked.by, asked.document() | {"job": job})
    return JobAccepted(id=job, status_url=f"{req.url.partition('?')[0]}/{job}")


@serve(blueprint, endpoints.SHOW_DOCTOR)
async def show_doctor(req: func.HttpRequest) -> Diagnosis:
    """Report a run: its progress and its findings."""
    found = await describe(await ports(), req.route_params["job"])
    if found is None:
        raise BadRequest(404, "noJob", f"The doctor has made no run {req.route_params['job']}")
    return found


@serve(blueprint, endpoints.SHOW_LAST_DOCTOR)
async def show_last_doctor(req: func.HttpRequest) -> Diagnosis:
    """Report the last run of all checks."""
    del req
    found = await describe_last(await ports())
    if found is None:
        raise BadRequest(404, "noJob", "The doctor has not made all checks yet: start it, or wait for its daily run")
    return found

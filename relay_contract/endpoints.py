"""All endpoints of the app in one table: route, access, request and answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel

from relay_contract.changes import Dismissals, Pauses, Replay, Sweep, WriteBack
from relay_contract.doctor import Diagnosis
from relay_contract.errors import ErrorGroupRows, ErrorGroups
from relay_contract.health import Health
from relay_contract.maps import ActivatedMap, MapCheck, MapFile, MapHistory, MapsInUse, PushedMap, Translation
from relay_contract.out_of_sync import OutOfSync
from relay_contract.reconciliation import JobAccepted, Reconciliation
from relay_contract.requests import (
    DismissRequest,
    DoctorRequest,
    ErrorsQuery,
    MapActivationRequest,
    MapCheckRequest,
    MapPushRequest,
    MapTranslationRequest,
    OutOfSyncRequest,
    PauseRequest,
    ReconcileRequest,
    ReplayRequest,
    ResumeRequest,
    RunsQuery,
    SweepRequest,
    WebhookNote,
    WriteBackRequest,
)
from relay_contract.runs import FinancePage, RunDetail, Runs, Timeline
from relay_contract.sign_in import OperatorName, SignIn
from relay_contract.webhook import (
    Accepted,
    Ignored,
    PostingAccepted,
    Probed,
    RemoteExecutionContext,
    Taken,
    WebhookFacts,
    WebhookNoted,
)

type Access = Literal["operator", "administrator", "webhook", "everybody"]
"""Access by a host key or the platform's sign-in, by the master key or a sign-in with a role of its own, by
a function key, or without any."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint. `name` is the name of its function, `path` its route below /api. `answers` maps a status to its
    model, or to several alternatives; it is empty for a file. `problems` are the statuses of Problem answers."""

    name: str
    method: Literal["GET", "POST"]
    path: str
    summary: str
    answers: Mapping[int, tuple[type[BaseModel], ...]]
    problems: tuple[int, ...] = ()
    access: Access = "operator"
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


_READING = (401, 403, 409, 502, 503)
"""Not authorized, written by a later version, refused by a service, storage unavailable."""
_CHANGING = (400, *_READING[:3], 413, *_READING[3:])

_INVOICE = {"invoiceId": "The invoice's id in Dataverse."}
_MAP = {"map": "The name of a map, as `health` lists it."}
_JOB = {"job": "The id that the request was answered with."}

LIST_RUNS = Endpoint(
    "list_runs", "GET", "runs", "List runs, newest first", {200: (Runs,)}, (400, *_READING), query=RunsQuery
)
SHOW_RUN = Endpoint(
    "show_run",
    "GET",
    "runs/{invoiceId}",
    "Tell where the run of an invoice stands",
    {200: (RunDetail,)},
    (400, 404, *_READING),
    parameters=_INVOICE,
)
SHOW_TIMELINE = Endpoint(
    "show_timeline",
    "GET",
    "runs/{invoiceId}/timeline",
    "Tell what happened to the run of an invoice, and when",
    {200: (Timeline,)},
    (400, 404, *_READING),
    parameters=_INVOICE,
)
SHOW_IMPORT = Endpoint(
    "show_import",
    "GET",
    "imports/{executionId}",
    "Tell where Finance shows an import",
    {200: (FinancePage,)},
    (404, *_READING),
    parameters={"executionId": "The execution id that the timeline of a run names."},
)
LIST_ERRORS = Endpoint(
    "list_errors",
    "GET",
    "errors",
    "List the groups of rejected rows",
    {200: (ErrorGroups,)},
    (400, *_READING),
    query=ErrorsQuery,
)
SHOW_ERROR = Endpoint(
    "show_error",
    "GET",
    "errors/{group}",
    "List the rejected rows of one group",
    {200: (ErrorGroupRows,)},
    (400, 404, *_READING),
    query=ErrorsQuery,
    parameters={"group": "The name of a group."},
)
REPLAY = Endpoint(
    "replay",
    "POST",
    "replays",
    "Send again what is missing or rejected, or say what would be sent",
    {200: (Replay,), 202: (Replay,)},
    _CHANGING,
    body=ReplayRequest,
)
DISMISS = Endpoint(
    "dismiss",
    "POST",
    "dismissals",
    "Dismiss rejected rows, or say which would be dismissed",
    {200: (Dismissals,)},
    _CHANGING,
    body=DismissRequest,
)
START_WRITE_BACK = Endpoint(
    "start_write_back",
    "POST",
    "write-backs",
    "Write the accounting detail of one invoice back now",
    {202: (WriteBack,)},
    (404, *_CHANGING),
    body=WriteBackRequest,
)
LIST_PAUSES = Endpoint("list_pauses", "GET", "pauses", "List what is paused", {200: (Pauses,)}, _READING)
PAUSE = Endpoint(
    "pause", "POST", "pauses", "Pause a map, or everything", {200: (Pauses,)}, _CHANGING, body=PauseRequest
)
RESUME = Endpoint(
    "resume", "POST", "resumes", "Resume a map, or everything", {200: (Pauses,)}, _CHANGING, body=ResumeRequest
)
SWEEP_NOW = Endpoint("sweep_now", "POST", "sweeps", "Sweep now", {200: (Sweep,)}, _CHANGING, body=SweepRequest)
LOOK_FOR_STRAYS = Endpoint(
    "look_for_strays",
    "POST",
    "out-of-sync",
    "Start looking for actuals that are out of sync, and send or write back those of the kinds in `sync`",
    {202: (JobAccepted,)},
    _CHANGING,
    body=OutOfSyncRequest,
)
SHOW_OUT_OF_SYNC = Endpoint(
    "show_out_of_sync",
    "GET",
    "out-of-sync/{job}",
    "Tell how far a search is, what is out of sync, and what was done about it",
    {200: (OutOfSync,)},
    (404, *_READING),
    parameters=_JOB,
)
START_RECONCILIATION = Endpoint(
    "start_reconciliation",
    "POST",
    "reconciliations",
    "Start comparing one invoice, or all confirmed ones of a period",
    {202: (JobAccepted,)},
    (404, *_CHANGING),
    body=ReconcileRequest,
)
SHOW_RECONCILIATION = Endpoint(
    "show_reconciliation",
    "GET",
    "reconciliations/{job}",
    "Tell how far a reconciliation is and what it found",
    {200: (Reconciliation,)},
    (404, *_READING),
    parameters=_JOB,
)
START_DOCTOR = Endpoint(
    "start_doctor",
    "POST",
    "doctor",
    "Have the doctor check the app, its services and its set-up; it only reads",
    {202: (JobAccepted,)},
    _CHANGING,
    body=DoctorRequest,
)
SHOW_LAST_DOCTOR = Endpoint(
    "show_last_doctor",
    "GET",
    "doctor",
    "Tell what the last run of all checks found",
    {200: (Diagnosis,)},
    (404, *_READING),
)
SHOW_DOCTOR = Endpoint(
    "show_doctor",
    "GET",
    "doctor/{job}",
    "Tell how far a run of the doctor is and what it found",
    {200: (Diagnosis,)},
    (404, *_READING),
    parameters=_JOB,
)
SHOW_WEBHOOK = Endpoint(
    "show_webhook", "GET", "webhook", "Tell for whom the app takes webhooks", {200: (WebhookFacts,)}, _READING
)
NOTE_WEBHOOK = Endpoint(
    "note_webhook",
    "POST",
    "webhook/notes",
    "Enter into the audit what an administrator does to the registration of the webhook",
    {200: (WebhookNoted,)},
    _CHANGING,
    body=WebhookNote,
)
LIST_MAPS = Endpoint("list_maps", "GET", "maps", "List the table maps in use", {200: (MapsInUse,)}, _READING)
SHOW_MAP_HISTORY = Endpoint(
    "show_map_history",
    "GET",
    "maps/{map}/history",
    "List the files of a map, and which were in use when",
    {200: (MapHistory,)},
    (404, *_READING),
    parameters=_MAP,
)
SHOW_MAP_FILE = Endpoint(
    "show_map_file",
    "GET",
    "maps/{map}/files/{digest}",
    "Show a file of a map",
    {200: (MapFile,)},
    (404, *_READING),
    parameters={**_MAP, "digest": "`shipped`, `active`, `base`, or the beginning of a digest."},
)
CHECK_MAP = Endpoint(
    "check_map",
    "POST",
    "maps/{map}/checks",
    "Check a map file against the tenant; changes nothing",
    {200: (MapCheck,)},
    (404, *_CHANGING),
    body=MapCheckRequest,
    parameters=_MAP,
)
TRANSLATE_MAP = Endpoint(
    "translate_map",
    "POST",
    "maps/{map}/translations",
    "Translate a dual-write map into a map file; changes nothing",
    {200: (Translation,)},
    (404, *_CHANGING),
    body=MapTranslationRequest,
    parameters=_MAP,
)
PUSH_MAP = Endpoint(
    "push_map",
    "POST",
    "maps/{map}/files",
    "Store a map file, inactive",
    {200: (PushedMap,)},
    (404, *_CHANGING),
    "administrator",
    body=MapPushRequest,
    parameters=_MAP,
)
ACTIVATE_MAP = Endpoint(
    "activate_map",
    "POST",
    "maps/{map}/activations",
    "Put a stored map file into use",
    {200: (ActivatedMap,)},
    (404, *_CHANGING),
    "administrator",
    body=MapActivationRequest,
    parameters=_MAP,
)
SHOW_HEALTH = Endpoint("show_health", "GET", "health", "Tell how the whole app is", {200: (Health,)}, _READING)
SHOW_OPENAPI = Endpoint("show_openapi", "GET", "openapi.json", "This document", {200: (BaseModel,)}, _READING[:2])
SHOW_OPERATOR = Endpoint("show_operator", "GET", "operator", "Tell who is asking", {200: (OperatorName,)}, _READING[:2])
SHOW_SIGN_IN = Endpoint(
    "show_sign_in", "GET", "sign-in", "Tell how operators sign in", {200: (SignIn,)}, access="everybody"
)
PAGE = Endpoint(
    "page",
    "GET",
    "page/{*file}",
    "The operator's page and its files",
    {200: (), 304: (), 308: ()},
    (404,),
    "everybody",
    parameters={"file": "The name of a file; the page itself without one."},
)
CONFIRM_INVOICE = Endpoint(
    "confirm_invoice",
    "POST",
    "invoices/confirmations",
    "Accept a confirmation: Dataverse's webhook",
    {200: (Ignored, Taken, Probed), 202: (Accepted, Taken)},
    (400, 401, 403, 413, 503),
    "webhook",
    body=RemoteExecutionContext,
)
ACCEPT_POSTING = Endpoint(
    "accept_posting",
    "POST",
    "postings",
    "Accept a business or data event of Finance: its content is not used, what was posted is looked up",
    {202: (PostingAccepted,)},
    (401, 413, 503),
    "webhook",
)

ENDPOINTS = (
    LIST_RUNS,
    SHOW_RUN,
    SHOW_TIMELINE,
    SHOW_IMPORT,
    LIST_ERRORS,
    SHOW_ERROR,
    REPLAY,
    DISMISS,
    START_WRITE_BACK,
    LIST_PAUSES,
    PAUSE,
    RESUME,
    SWEEP_NOW,
    LOOK_FOR_STRAYS,
    SHOW_OUT_OF_SYNC,
    START_RECONCILIATION,
    SHOW_RECONCILIATION,
    START_DOCTOR,
    SHOW_LAST_DOCTOR,
    SHOW_DOCTOR,
    SHOW_WEBHOOK,
    NOTE_WEBHOOK,
    LIST_MAPS,
    SHOW_MAP_HISTORY,
    SHOW_MAP_FILE,
    CHECK_MAP,
    TRANSLATE_MAP,
    PUSH_MAP,
    ACTIVATE_MAP,
    SHOW_HEALTH,
    SHOW_OPENAPI,
    SHOW_OPERATOR,
    SHOW_SIGN_IN,
    PAGE,
    CONFIRM_INVOICE,
    ACCEPT_POSTING,
)

import asyncio
import json
import os
import time
import typing
from pathlib import Path

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def record(**event: typing.Any) -> None:
    with Path(os.environ["RECORD"]).open("a") as file:
        file.write(json.dumps({"at": time.time(), **event}, default=str) + "\n")


@app.queue_trigger("msg", "%WORK%", "Storage")
async def take(msg: func.QueueMessage) -> None:
    text = msg.get_body().decode()
    work = json.loads(text)["work"] if text.startswith("{") else {}
    record(
        event="begin",
        text=text,
        id=msg.id,
        count=msg.dequeue_count,
        inserted=msg.insertion_time,
        expires=msg.expiration_time,
        visible=msg.time_next_visible,
        receipt=msg.pop_receipt,
    )
    await asyncio.sleep(work.get("wait", 0))
    time.sleep(work.get("block", 0))  # noqa: ASYNC251 - the mistake under test
    if work.get("cancel"):
        raise asyncio.CancelledError
    if work.get("quit"):
        raise SystemExit
    if work.get("fail"):
        raise ValueError("refused")
    record(event="end", text=text)


@app.queue_trigger("msg", "%HOPELESS%", "Storage")
async def fail_for_ever(msg: func.QueueMessage) -> None:
    record(event="hopeless", count=msg.dequeue_count)
    raise ValueError("a poison queue that cannot be worked off")


@app.queue_trigger("msg", "%RAW%", "Storage", data_type=func.DataType.BINARY)
async def take_bytes(msg: func.QueueMessage) -> None:
    record(event="bytes", hex=msg.get_body().hex())


@app.queue_trigger("msg", "%CHAIN%", "Storage")
@app.queue_output("out", "%OUT%", "Storage")
async def chain(msg: func.QueueMessage, out: func.Out[typing.List[str]]) -> None:  # noqa: UP006 - list[str] does not load
    out.set([f"{msg.get_body().decode()}-{n}" for n in range(2)])


@app.route(route="emit/text")
@app.queue_output("out", "%OUT%", "Storage")
async def emit_text(req: func.HttpRequest, out: func.Out[str]) -> str:
    out.set(req.get_body().decode())
    return "sent"


@app.route(route="emit/list")
@app.queue_output("out", "%OUT%", "Storage")
async def emit_list(req: func.HttpRequest, out: func.Out[typing.List[str]]) -> str:  # noqa: UP006 - as above
    out.set(req.get_json())
    return "sent"


@app.route(route="emit/bytes")
@app.queue_output("out", "%OUT%", "Storage")
async def emit_bytes(req: func.HttpRequest, out: func.Out[bytes]) -> str:
    out.set(req.get_body())
    return "sent"


@app.route(route="emit/chain")
@app.queue_output("out", "%CHAIN%", "Storage")
async def emit_chain(req: func.HttpRequest, out: func.Out[str]) -> str:
    out.set(req.get_body().decode())
    return "sent"


@app.route(route="emit/return")
@app.queue_output("$return", "%OUT%", "Storage")
async def emit_return(req: func.HttpRequest) -> str:
    return req.get_body().decode()


@app.route(route="emit/too-large")
@app.queue_output("out", "%OUT%", "Storage")
async def emit_too_large(req: func.HttpRequest, out: func.Out[bytes]) -> str:
    out.set(bytes(65_536))
    return "sent"

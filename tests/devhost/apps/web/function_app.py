import asyncio
import json
import logging
import time

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="echo/{name}/{number:int?}", methods=["GET", "POST", "HEAD"])
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    seen = {
        "method": req.method,
        "url": req.url,
        "headers": dict(req.headers),
        "params": dict(req.params),
        "route": dict(req.route_params),
        "body": req.get_body().decode(),
    }
    return func.HttpResponse(json.dumps(seen), status_code=201, mimetype="application/json", headers={"x-seen": "yes"})


@app.route(route="echo/fixed")
async def fixed(req: func.HttpRequest) -> str:
    return "fixed"


@app.route(route="files/{*rest}")
async def files(req: func.HttpRequest) -> str:
    return str(req.route_params["rest"])


@app.route(auth_level=func.AuthLevel.FUNCTION)
async def guarded(req: func.HttpRequest) -> str:
    return "in"


@app.route(auth_level=func.AuthLevel.ADMIN)
async def administered(req: func.HttpRequest) -> str:
    return "in"


@app.route()
async def failing(req: func.HttpRequest) -> str:
    raise ValueError("no such invoice")


@app.route()
async def nothing(req: func.HttpRequest) -> func.HttpResponse:
    return None  # type: ignore[return-value]  # what a forgotten return does


@app.route()
def size(req: func.HttpRequest) -> str:
    return str(len(req.get_body()))


@app.route()
async def cookies(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse("baked")
    response.headers.add("Set-Cookie", "a=1; Path=/")
    response.headers.add("Set-Cookie", "b=2")
    return response


@app.route()
async def slow(req: func.HttpRequest) -> str:
    await asyncio.sleep(30)
    return "late"


@app.route()
async def blocking(req: func.HttpRequest) -> str:
    time.sleep(float(req.params["seconds"]))  # noqa: ASYNC251 - the mistake under test
    return "unblocked"


@app.route()
def stuck(req: func.HttpRequest) -> str:
    time.sleep(60)
    return "never"


@app.route()
async def noisy(req: func.HttpRequest) -> str:
    logging.getLogger("shop").info("quiet please")
    logging.getLogger("shop").warning("hear this")
    return "said"


@app.route()
async def spoken(req: func.HttpRequest) -> str:
    logging.getLogger("shop").info("an ordinary word")
    return "said"

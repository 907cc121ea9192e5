import json
import os
from pathlib import Path

import azure.functions as func

app = func.FunctionApp()


def record(name: str, timer: func.TimerRequest) -> None:
    # The abstract type that apps annotate with does not declare these two; the object has them.
    event = {"name": name, "status": timer.schedule_status, "schedule": timer.schedule}  # type: ignore[attr-defined]
    with Path(os.environ["RECORD"]).open("a") as file:
        file.write(json.dumps(event) + "\n")


@app.timer_trigger("timer", "%OFTEN%")
async def often(timer: func.TimerRequest) -> None:
    record("often", timer)


@app.timer_trigger("timer", "0 0 0 1 1 *", run_on_startup=True)
async def at_startup(timer: func.TimerRequest) -> None:
    record("at_startup", timer)


@app.timer_trigger("timer", "0 0 0 1 1 *")
async def by_hand(timer: func.TimerRequest) -> None:
    record("by_hand", timer)


@app.timer_trigger("timer", "00:00:00.2")
async def switched_off(timer: func.TimerRequest) -> None:
    record("switched_off", timer)

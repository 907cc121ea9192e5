"""Durations as .NET writes them, the notation of host.json and of timer intervals."""

from datetime import timedelta


def parse_time_span(text: str) -> timedelta:
    """Read a duration by the rules of .NET's TimeSpan.Parse: `d`, `[d.]hh:mm[:ss[.fffffff]]`, `d:hh:mm:ss`.

    Two surprising rules are kept: a bare number counts DAYS ("30" is thirty days), and the first of three parts counts
    days when it is too large for an hour ("24:00:00" is twenty-four days). Raises ValueError for anything else.
    """
    sign, body = (-1, text.strip()[1:]) if text.strip().startswith("-") else (1, text.strip())
    if not body or set(body) - set("0123456789.:"):
        raise ValueError(f"{text!r} is not a duration; write [days.]hh:mm:ss")
    try:
        days, hours, minutes, seconds = _split(body)
    except (ValueError, IndexError) as error:
        raise ValueError(f"{text!r} is not a duration; write [days.]hh:mm:ss") from error
    if hours > 23 or minutes > 59 or seconds >= 60:
        raise ValueError(f"{text!r} is not a duration: hours go to 23, minutes and seconds to 59")
    return sign * timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _split(body: str) -> tuple[int, int, int, float]:
    parts = body.split(":")
    if len(parts) == 1:
        return int(parts[0]), 0, 0, 0.0
    if "." in parts[0]:
        days, hours = parts[0].split(".")
        parts = [days, hours, *parts[1:]]
    elif len(parts) == 4 or (len(parts) == 3 and int(parts[0]) > 23):
        pass
    else:
        parts = ["0", *parts]
    seconds = parts[3] if len(parts) == 4 else "0"
    days, hours, minutes = parts[:3]
    if len(parts) > 4:
        raise ValueError(body)
    return int(days), int(hours), int(minutes), float(seconds)

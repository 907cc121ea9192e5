"""`relay maps`: list, show, import, check, diff, push, activate, history."""

import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from relay_cli.connection import App, connect, connect_administrator
from relay_cli.consent import Consent, ask, settle
from relay_cli.maps.differences import differences
from relay_cli.maps.map_file import lay_out, look_through, read_json, read_mapping, read_text, shipped_map, write
from relay_cli.options import By, DryRun, Json, KeyFile, Url, Yes, name_operator
from relay_cli.problems import ExitCode, Misused
from relay_cli.reading import read
from relay_cli.screen import emit, say
from relay_cli.views.maps import (
    check_view,
    differences_view,
    history_view,
    maps_view,
    name_digest,
    review_lines,
    review_view,
    translation_view,
)
from relay_contract.maps import ActivatedMap, MapCheck, MapFile, MapHistory, MapsInUse, PushedMap, Translation

HELP = """A tenant's own table maps: from dual-write or by hand, checked, stored in the app, put into use, and back.

Reading and checking need the operator's key. `push` and `activate` change amounts: they need the master key, in
RELAY_ADMINISTRATOR_KEY or in a file for --key-file.
"""

_FORMS = "The file holds the JSON of msdyn_mapping, or a row of msdyn_dualwriteentitymaps with it."

app = typer.Typer(no_args_is_help=True, help=HELP)

Name = Annotated[str, typer.Argument(metavar="MAP", help="Name of a map, as `relay maps list` shows it: actuals.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A map file.")]


@app.command("list")
def list_maps(*, url: Url, key_file: KeyFile = None, as_json: Json = False) -> int:
    """List the maps in use, and where each comes from.

    Examples:
      relay maps list
    """
    document = connect(url, key_file).get("maps")
    emit(document, maps_view(read(MapsInUse, document)), as_json=as_json)
    return ExitCode.FINE


@app.command("show")
def show_map(
    *,
    url: Url,
    name: Name,
    which: Annotated[
        str, typer.Argument(metavar="[WHICH]", help="active, shipped, base, or the beginning of a digest.")
    ] = "active",
    key_file: KeyFile = None,
) -> int:
    """Print a map file: the one in use, or another one.

    Examples:
      relay maps show actuals > actuals.json
      relay maps show actuals shipped
    """
    sys.stdout.write(lay_out(_file(connect(url, key_file), name, which).content))
    return ExitCode.FINE


@app.command("import")
def import_map(
    *,
    url: Url,
    name: Name,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write; MAP.json by default.")
    ] = None,
    given: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="A file with the JSON of msdyn_mapping, where the app may not read."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file with other content.")] = False,
    key_file: KeyFile = None,
    as_json: Json = False,
) -> int:
    """Turn the tenant's dual-write map into a map file, with a report line by line.

    The version that runs is taken, which is not always the highest. The report says what was taken, what was changed by
    a rule, what cannot be translated, and what the shipped map has and this one has not. Nothing in the app is changed.
    Exits with 2 when the file cannot be used as it is.

    Examples:
      relay maps import actuals --out actuals.json
      relay maps import actuals --from msdyn_mapping.json
    """
    body = {"mapping": read_mapping(given) if given else None}
    document = connect(url, key_file).post(f"maps/{quote(name, safe='')}/translations", body)
    translation = read(Translation, document)
    if translation.content is None:
        advice = _FORMS if given else "Give a file with the map: --from FILE."
        raise Misused(f"Nothing was translated: {translation.found}.", advice)
    file = out or Path(f"{name}.json")
    write(file, translation.content, overwrite=overwrite)
    emit(document, translation_view(translation), as_json=as_json)
    say(f"Written to {file}. Check it: relay maps check {name} {file} --against")
    return ExitCode.FAILED if translation.faults else ExitCode.FINE


@app.command("check")
def check_map(
    *,
    url: Annotated[str, typer.Option("--url", envvar="RELAY_URL", metavar="URL", help="Address of the app.")] = "",
    name: Name,
    file: File,
    against: Annotated[
        bool, typer.Option("--against", help="Also against the tenant: columns, values, filter, and one row.")
    ] = False,
    key_file: KeyFile = None,
    as_json: Json = False,
) -> int:
    """Look through a map file: here alone, or with --against also against the tenant. Nothing is changed.

    Here: each fault with its line and column, a reversed value map, the OData filter, and columns that the shipped map
    does not have. Against the tenant: columns and values on both sides, and one row before and after.
    Exits with 2 when the map cannot be used.

    Examples:
      relay maps check actuals actuals.json
      relay maps check actuals actuals.json --against
    """
    text = read_text(file)
    found = look_through(name, text)
    if shipped_map(name) is None:
        say(f"This version of relay has no map {name}, so the file was not compared with a shipped one.")
    if found.faults or not against:
        emit(review_lines(file, found), review_view(file, found), as_json=as_json)
        if not found.faults:
            say(f"Compare it with the tenant: relay maps check {name} {file} --against")
        return ExitCode.FAILED if found.faults else ExitCode.FINE
    say(review_view(file, found))
    if not url:
        raise Misused("--against asks the app, and there is no address.", "Set RELAY_URL, or give --url.")
    document = connect(url, key_file).post(f"maps/{quote(name, safe='')}/checks", {"content": read_json(file)})
    check = read(MapCheck, document)
    emit(document, check_view(check), as_json=as_json)
    if check.passed:
        say(f"Store it: relay maps push {name} {file}")
    return ExitCode.FINE if check.passed else ExitCode.FAILED


@app.command("diff")
def diff_map(
    *,
    url: Url,
    name: Name,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Your map file; without it the map in use.")
    ] = None,
    key_file: KeyFile = None,
    as_json: Json = False,
) -> int:
    """Show where four versions of a map differ: base, shipped, yours, live.

    base is the shipped map that yours was pushed beside, shipped that of the running version, yours the file or the map
    in use, live the map of dual-write in the tenant. After an upgrade, base and shipped say what has changed there.

    Examples:
      relay maps diff actuals
      relay maps diff actuals actuals.json
    """
    relay = connect(url, key_file)
    translation = read(Translation, relay.post(f"maps/{quote(name, safe='')}/translations", {"mapping": None}))
    yours = read_json(file) if file else _file(relay, name, "active").content
    versions = {
        "base": _file(relay, name, "base").content,
        "shipped": _file(relay, name, "shipped").content,
        "yours": yours,
        "live": translation.content,
    }
    found = differences(versions)
    document = {
        "live": translation.found,
        "differences": [{"about": each.about, **dict(zip(versions, each.texts, strict=True))} for each in found],
    }
    emit(document, differences_view(list(versions), found), as_json=as_json)
    say(f"live: {translation.found}")
    return ExitCode.FINE


@app.command("push")
def push_map(
    *,
    url: Url,
    name: Name,
    file: File,
    key_file: KeyFile = None,
    by: By = "",
    as_json: Json = False,
) -> int:
    """Store a map file in the app, inactive. It is used once it is activated.

    Examples:
      relay maps push actuals actuals.json
    """
    found = look_through(name, read_text(file))
    if found.faults:
        raise Misused(f"{file} is no map:\n" + "\n".join(review_lines(file, found)["faults"]))
    relay, body = connect_administrator(url, key_file), {"content": read_json(file), "by": name_operator(by)}
    document = relay.post(f"maps/{quote(name, safe='')}/files", body)
    pushed = read(PushedMap, document)
    emit(document, f"{pushed.map} {pushed.version} is stored as {pushed.digest}, inactive", as_json=as_json)
    say(f"Put it into use: relay maps activate {name} {pushed.digest[:12]}")
    return ExitCode.FINE


@app.command("activate")
def activate_map(
    *,
    url: Url,
    name: Name,
    digest: Annotated[
        str, typer.Argument(metavar="DIGEST", help="The beginning of a digest, or `shipped` for the app's own map.")
    ],
    unproven: Annotated[
        bool, typer.Option("--unproven", help="Accept what the check could not see. It is written to the audit.")
    ] = False,
    key_file: KeyFile = None,
    by: By = "",
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Put a stored map into use, in all instances within ten seconds.

    A map that was never in use is checked against the tenant first. The way back is activating the one before, or
    `shipped`, which is not checked again. Runs that began under another map are compared by the new one, and what it
    writes differently is read and sent again.

    Examples:
      relay maps activate actuals 3f2c9a50
      relay maps activate actuals shipped --yes
    """
    consent = settle(yes=yes, dry_run=dry_run)
    relay = connect_administrator(url, key_file)
    in_use, wanted = _file(relay, name, "active"), _file(relay, name, digest)
    if not _agreed(in_use, wanted, consent):
        return ExitCode.FINE
    body = {
        "digest": wanted.digest or "shipped",
        "insteadOf": in_use.digest,
        "unproven": unproven,
        "by": name_operator(by),
    }
    document = relay.post(f"maps/{quote(name, safe='')}/activations", body)
    done = read(ActivatedMap, document)
    text = f"{done.map} {done.version} ({name_digest(done.digest)}) is in use within {done.within_seconds} seconds"
    emit(document, text, as_json=as_json)
    say(f"The way back: relay maps activate {name} {done.before[:12] or 'shipped'}")
    return ExitCode.FINE


def _agreed(in_use: MapFile, wanted: MapFile, consent: Consent) -> bool:
    """Show what another map changes and ask, unless consent is given. False if it is only shown."""
    if consent is Consent.GIVEN:
        return True
    found = differences({"in use": in_use.content, "then": wanted.content})
    say(differences_view(["in use", "then"], found))
    now, then = name_digest(in_use.digest), name_digest(wanted.digest)
    act = f"{wanted.map}: use {then} (version {wanted.version}) instead of {now}"
    if consent is Consent.ONLY_SHOW:
        say(f"Would change {act}.")
        return False
    ask(f"{act}?")
    return True


@app.command("history")
def show_history(*, url: Url, name: Name, key_file: KeyFile = None, as_json: Json = False) -> int:
    """Show what was in use when, and which files are stored.

    Examples:
      relay maps history actuals
    """
    document = connect(url, key_file).get(f"maps/{quote(name, safe='')}/history")
    emit(document, history_view(read(MapHistory, document)), as_json=as_json)
    return ExitCode.FINE


def _file(relay: App, name: str, which: str) -> MapFile:
    document = relay.get(f"maps/{quote(name, safe='')}/files/{quote(which or 'shipped', safe='')}")
    return read(MapFile, document)

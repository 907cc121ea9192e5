"""`az` and `azd` of a person who has signed in: executable scripts whose tokens come from the sign-in simulator. And a
browser, which signs in at once and posts the form back.

AZ_SIGNIN is its address, AZ_PERSON the person's object id, AZ_TENANT another tenant than its own. Without AZ_PERSON
no person is signed in.
"""

import sys
from pathlib import Path

_AZ = """#!{python} -IS
import json, os, sys, time
given, person = sys.argv[1:], os.environ.get("AZ_PERSON")
if given[:2] != {command}:
    sys.exit("ERROR: not simulated: " + " ".join(given))
if not person:
    sys.exit({signed_out!r})
resource = given[given.index({option!r}) + 1].removesuffix("/.default")
asked = {{"person": person, "resource": resource}}
if tenant := os.environ.get("AZ_TENANT"):
    asked["tenant"] = tenant
# Tokens are kept, as the real command keeps them.
kept = os.path.join(os.path.dirname(__file__), "".join(filter(str.isalnum, "".join(asked.values()))) + ".token")
if not os.path.exists(kept):
    import urllib.request
    request = urllib.request.Request(
        os.environ["AZ_SIGNIN"] + "/sim/tokens", json.dumps(asked).encode(), {{"Content-Type": "application/json"}}
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
    with open(kept, "wb") as file:
        file.write(direct.open(request, timeout=20).read())
with open(kept) as file:
    token = json.load(file)
{show}
"""
_SHOW_AZ = "print(json.dumps(token, indent=2))"
_SHOW_AZD = (
    'expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(token["expires_on"]))\n'
    'print(json.dumps({"token": token["accessToken"], "expiresOn": expires}))'
)


_BROWSER = """#!{python} -IS
import html, re, ssl, sys, urllib.parse, urllib.request
handlers = urllib.request.ProxyHandler({{}}), urllib.request.HTTPSHandler(context=ssl._create_unverified_context())
direct = urllib.request.build_opener(*handlers)
page = direct.open(sys.argv[1], timeout=20).read().decode()
fields = {{name: html.unescape(text) for name, text in re.findall('name="([^"]+)" value="([^"]*)"', page)}}
action = html.unescape(re.search('action="([^"]+)"', page)[1])
direct.open(action, urllib.parse.urlencode(fields).encode(), timeout=20).read()
"""


def write_browser(folder: Path) -> Path:
    """Write a browser into a folder. In BROWSER, `%s &` stands behind it."""
    path = folder / "browser"
    path.write_text(_BROWSER.format(python=sys.executable))
    path.chmod(0o755)
    return path


def write_commands(folder: Path) -> None:
    """Write `az` and `azd` into a folder, for the PATH."""
    for name, command, option, signed_out, show in (
        (
            "az",
            ["account", "get-access-token"],
            "--resource",
            "ERROR: Please run 'az login' to setup account.",
            _SHOW_AZ,
        ),
        ("azd", ["auth", "token"], "--scope", "ERROR: not logged in, run `azd auth login` to login", _SHOW_AZD),
    ):
        text = _AZ.format(python=sys.executable, command=command, option=option, signed_out=signed_out, show=show)
        path = folder / name
        path.write_text(text)
        path.chmod(0o755)

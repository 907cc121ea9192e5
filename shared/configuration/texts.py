"""Setting values as people paste them: with blanks, quotes or a byte order mark around them, or as a reference."""

import re

_AROUND = " \t\r\n\v\f\u00a0\u200b\u200c\u200d\u2060\ufeff"
_QUOTES = {'""', "''", "“”", "‘’", "``"}
_REFERENCE = re.compile(r"@Microsoft\.(KeyVault|AppConfiguration)\b", re.IGNORECASE)
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_STRANGE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200d\u2028\u2029\u2060\ufeff]")
_UNRESOLVED = (
    "is still a reference to {what}, not the value behind it: the platform could not resolve it. See the state of the "
    "reference under Environment variables in the portal; check the name of the {thing}, that the identity in "
    "keyVaultReferenceIdentity exists and may read it (role {role}), and that its network lets the app in"
)


def stripped(text: str) -> str:
    """The value without surrounding blanks, line breaks, invisible characters and pairs of quotes."""
    bare = text.strip(_AROUND)
    while len(bare) > 1 and bare[0] + bare[-1] in _QUOTES:
        bare = bare[1:-1].strip(_AROUND)
    return bare


def unresolved(text: str) -> str | None:
    """The reason if the value is a reference that App Service could not resolve; it leaves the text unchanged then
    (learn.microsoft.com, "Use Key Vault references"). A reference inside a longer value is never resolved."""
    found = _REFERENCE.search(text)
    if found is None:
        return None
    if found[1].lower() == "keyvault":
        return _UNRESOLVED.format(what="Key Vault", thing="vault and the secret", role="Key Vault Secrets User")
    return _UNRESOLVED.format(what="App Configuration", thing="store and the key", role="App Configuration Data Reader")


def broken(text: str) -> str | None:
    """The reason if a value of one line contains invisible characters or line breaks."""
    found = _STRANGE.search(text)
    if found is None:
        return None
    what = "a line break" if found[0] in "\r\n\u2028\u2029" else f"the invisible character U+{ord(found[0]):04X}"
    return f"has {what} in the middle: enter it again, in one line"


def secret(text: str) -> str:
    """A client secret. Invalid characters inside it cannot be removed. Raises ValueError."""
    if _GUID.fullmatch(text):
        raise ValueError("is a GUID: that is the id of the secret, not its value, which the portal shows only once")
    if any(character.isspace() for character in text):
        raise ValueError("has a blank in the middle: copy it again, whole and nothing else")
    return text

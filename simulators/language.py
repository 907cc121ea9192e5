"""Error messages for a user with another language: codes, names and quotations stay, sentences are translated."""

import re

LANGUAGES = ("en", "de")
_WORDS = {
    "a": "ein", "an": "ein", "and": "und", "by": "durch", "cannot": "kann nicht", "column": "Spalte", "could": "konnte",
    "details": "Einzelheiten", "does": "hat", "entity": "Entität", "error": "Fehler", "execution": "Ausführung",
    "exist": "vorhanden", "exists": "ist vorhanden", "field": "Feld", "for": "für", "found": "gefunden", "has": "hat",
    "id": "Kennung", "in": "in", "is": "ist", "missing": "fehlt", "must": "muss", "not": "nicht", "of": "von",
    "occurred": "aufgetreten", "on": "auf", "only": "nur", "process": "Vorgang", "row": "Zeile", "the": "die",
    "to": "zu", "user": "Benutzer", "value": "Wert", "was": "war", "were": "wurden", "with": "mit",
}  # fmt: skip
_TOKEN = re.compile(
    r"(?<!\w)'[^']*'(?!\w)|\"[^\"]*\"|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[A-Za-z][\w'’.-]*[\w]|[A-Za-z]"
)
_NAME = re.compile(r"[A-Z][a-z]+[A-Z]|[_\d]|^prv|\w\.\w")


def speak(text: str, language: str) -> str:
    """A message in another language. No code that looks for an English sentence can recognize it."""
    return text if language == "en" else _TOKEN.sub(_translate, text)


def _translate(match: re.Match[str]) -> str:
    token = match[0]
    if token[0] in "'\"" or _NAME.search(token) or token.count("-") == 4:
        return token
    return _WORDS.get(token.lower(), "Angabe")

"""Compares what a round left in Finance with what the confirmation produced, in the databases of both services. A
contestant's own report is not used: a fast wrong result counts as failed.
"""

import sqlite3
from pathlib import Path

_AMOUNT_SCALE = 100
"""Finance keeps six decimals, Dataverse four."""

_WRONG = {
    "headers missing": """SELECT count(*) FROM source.sim_invoice i LEFT JOIN headers h
        ON h.invoiceproposalid = i.number WHERE h.recid IS NULL""",
    "actuals missing": """SELECT count(*) FROM source.sim_produced p LEFT JOIN actuals a ON a.actualid = p.row_id
        WHERE p.kind = 'actual' AND a.recid IS NULL""",
    "amounts wrong": f"""SELECT count(*) FROM source.sim_produced p JOIN actuals a ON a.actualid = p.row_id
        WHERE p.kind = 'actual' AND a.amount <> p.amount * {_AMOUNT_SCALE}""",
    "actuals twice": """SELECT count(*) - count(DISTINCT actualid) FROM actuals""",
    "connections missing": """SELECT count(*) FROM source.sim_produced p LEFT JOIN connections c
        ON c.connectionid = p.row_id WHERE p.kind = 'connection' AND c.recid IS NULL""",
    "connections too many": """SELECT max(0, (SELECT count(*) FROM connections)
        - (SELECT count(*) FROM source.sim_produced WHERE kind = 'connection'))""",
}


def find_wrong(dataverse: Path, finance: Path) -> dict[str, int]:
    """What is wrong with the stored rows, by its name; nothing when all is well."""
    database = sqlite3.connect(f"file:{finance / 'finance.sqlite'}?mode=ro", uri=True)
    try:
        database.execute("ATTACH ? AS source", (f"file:{dataverse / 'dataverse.sqlite'}?mode=ro",))
        found = {name: int(database.execute(sql).fetchone()[0]) for name, sql in _WRONG.items()}
    finally:
        database.close()
    return {name: count for name, count in found.items() if count}


def count_imports(finance: Path) -> int:
    """How many package imports Finance has had."""
    database = sqlite3.connect(f"file:{finance / 'finance.sqlite'}?mode=ro", uri=True)
    try:
        return int(database.execute("SELECT count(*) FROM executions").fetchone()[0])
    finally:
        database.close()

"""The function app: the doors in the order in which an invoice passes them, the operator's API and page."""

import logging

import azure.functions as func

from confirm_invoice.functions import blueprint as confirm_invoice
from link_transactions.functions import blueprint as link_transactions
from operate.api.changes import blueprint as changes
from operate.api.comparisons import blueprint as comparisons
from operate.api.runs import blueprint as runs
from operate.functions import blueprint as operate
from operate.page.functions import blueprint as page
from run_jobs.functions import blueprint as run_jobs
from shared.wiring import configuration
from sync_actuals.functions import blueprint as sync_actuals
from write_back.functions import blueprint as write_back

logging.getLogger("azure").setLevel(logging.WARNING)  # the storage SDK logs every request, headers and all
configuration()  # a wrong setting, map or job is refused here, before the first message

app = func.FunctionApp()
for blueprint in (
    confirm_invoice,
    sync_actuals,
    link_transactions,
    run_jobs,
    write_back,
    operate,
    runs,
    changes,
    comparisons,
    page,
):
    app.register_functions(blueprint)

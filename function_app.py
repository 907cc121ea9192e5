"""The function app: the doors in the order in which an invoice passes them, the operator's API and page."""

import logging

import azure.functions as func
from azure.functions.decorators.queue import QueueTrigger

from confirm_invoice.functions import blueprint as confirm_invoice
from link_transactions.functions import blueprint as link_transactions
from operate.api.changes import blueprint as changes
from operate.api.comparisons import blueprint as comparisons
from operate.api.doctor import blueprint as doctor
from operate.api.maps import blueprint as maps
from operate.api.runs import blueprint as runs
from operate.api.webhook import blueprint as webhook
from operate.functions import blueprint as operate
from operate.page.functions import blueprint as page
from run_jobs.functions import blueprint as run_jobs
from shared.jobs.job import refuse_unserved
from shared.wiring import configuration
from sync_actuals.functions import blueprint as sync_actuals
from write_back.functions import blueprint as write_back


def with_all_functions() -> func.FunctionApp:
    """A function app with every function."""
    built = func.FunctionApp()
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
        maps,
        doctor,
        webhook,
        page,
    ):
        built.register_functions(blueprint)
    return built


def served_queues(built: func.FunctionApp) -> dict[str, str]:
    """The queues with a trigger, and the folder of each trigger."""
    return {
        trigger.queue_name: function.get_user_function().__module__.partition(".")[0]
        for function in built.get_functions()
        if isinstance(trigger := function.get_trigger(), QueueTrigger)
    }


logging.getLogger("azure").setLevel(logging.WARNING)  # the storage SDK logs every request, headers and all
# A wrong setting, map or job is refused here, before the first message. An app lists its functions only once, for the
# host, so another one is asked.
refuse_unserved(configuration().job, served_queues(with_all_functions()))
app = with_all_functions()

"""The machine: what people, Dataverse, Finance, the hosts and the clock may do, in any order, and what stays true."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.proof.machine_rest import Rest
from tests.proof.machine_stage import Scene
from tests.proof.machine_wire import Fate
from tests.proof.machine_world import Invoice

MOST_INVOICES = 3
WHICH = st.integers(0, 40)
HOSTS = st.sampled_from([0, 1])
AT = st.integers(0, 14)
TROUBLES = st.sampled_from(
    [
        "spoil header",
        "spoil actual",
        "spoil connection",
        "throttle finance",
        "throttle dataverse",
        "late actual",
        "finance importFailsWhole",
        "finance succeedsWithZeroRows",
        "finance errorNext",
        "finance notFoundPolls",
        "dataverse errorNext",
        "dataverse sqlTimeoutNext",
        "dataverse tokenRejectNext",
        "finance refuseStarts",
        "finance redirect",
        "dataverse redirect",
        "finance page",
        "dataverse cut",
    ]
)
_A_QUIET_TIME = 40
_SPOILT = {"redirect": 302, "page": 200, "cut": 200}
"""Answers that are none, and their status."""
FATES = st.builds(Fate, st.sampled_from(["crash", "cut"]), AT, st.booleans())


class Machine(RuleBasedStateMachine):
    """One example: a tenant, an app with two hosts, and everything that may happen to them."""

    scene: Scene

    def __init__(self) -> None:
        super().__init__()
        self.began = False

    @initialize(lines=st.integers(1, 5), edited=st.sampled_from([0.0, 0.5]), close=st.booleans())
    def begin(self, lines: int, edited: float, close: bool) -> None:
        """Start afresh, with one confirmed invoice; with a month end in the end, or without."""
        self.scene.begin()
        self.scene.close = close
        self.began = True
        self._confirm(self.scene.world.draft(lines, edited))
        self._webhook(self.scene.world.invoices[0], 0)

    # ------------------------------------------------------------------ the tenant

    @precondition(lambda self: len(self.scene.world.invoices) < MOST_INVOICES)
    @rule(lines=st.integers(1, 4), edited=st.sampled_from([0.0, 0.5]))
    def draft(self, lines: int, edited: float) -> None:
        """Make another draft."""
        self.scene.world.draft(lines, edited)

    @precondition(lambda self: any(not invoice.confirmed for invoice in self.scene.world.invoices))
    @rule(which=WHICH)
    def confirm(self, which: int) -> None:
        """Confirm a draft. The webhook is lost."""
        self._confirm(_one([each for each in self.scene.world.invoices if not each.confirmed], which))

    @precondition(lambda self: len(self.scene.world.invoices) <= MOST_INVOICES)
    @rule(which=WHICH)
    def correct(self, which: int) -> None:
        """Make a corrective draft of an invoice that has arrived and is neither paid nor corrected yet."""
        if arrived := [each for each in self._arrived() if not each.paid and not each.corrected]:
            self.scene.world.correct(_one(arrived, which))

    @rule(which=WHICH)
    def pay(self, which: int) -> None:
        """The customer pays, at any time."""
        if confirmed := [each for each in self.scene.world.invoices if each.confirmed]:
            self.scene.world.pay(_one(confirmed, which))

    @rule(which=WHICH, tells=st.booleans())
    def post(self, which: int, tells: bool) -> None:
        """Finance posts an invoice that has arrived, and may tell the app so."""
        if arrived := self._arrived():
            invoice = _one(arrived, which)
            self.scene.tell(f"    post {invoice.invoice_id[:8]}: {self.scene.world.post(invoice)}")
        if tells:
            self.look_for_postings()

    @rule()
    def look_for_postings(self) -> None:
        """The timer that looks for postings."""
        self._told("look", self.scene.look_for_postings())

    def _arrived(self) -> list[Invoice]:
        world = self.scene.world
        return [each for each in world.invoices if each.confirmed and each.keys <= world.created]

    @rule(which=WHICH, host=HOSTS, fate=st.none() | FATES)
    def webhook(self, which: int, host: int, fate: Fate | None) -> None:
        """Dataverse sends its webhook: for the first time, again, or before the invoice is confirmed."""
        self._webhook(_one(self.scene.world.invoices, which), host, fate)

    @rule(trouble=TROUBLES, which=WHICH)
    def meet(self, trouble: str, which: int) -> None:
        """A service gets difficult: it refuses a row, asks the next caller to wait, or fails in another way."""
        name, _, value = trouble.partition(" ")
        self.scene.asks_for_a_person |= name in {"spoil", "late"}
        if name == "spoil":
            self._spoil(value, which)
        elif value in _SPOILT:
            self.scene.world.tenant.switch(name, spoilForm=value, spoilStatus=_SPOILT[value], spoilNext=1 + which % 2)
        elif name == "throttle":
            self.scene.throttle(value, (5, 60, 250)[which % 3])
        elif name == "late":
            self.scene.late = True
            self.scene.world.tenant.switch("dataverse", extraRowsNext=1)
        else:
            self.scene.world.tenant.switch(name, **{value: 1 + which % 2})

    @rule()
    def mend(self) -> None:
        """Finance takes everything again."""
        self.scene.world.mend()

    def _spoil(self, kind: str, which: int) -> None:
        world = self.scene.world
        rows = [(key, source) for each in world.invoices for key, source in each.produced.get(kind, {}).items()]
        if rows:
            key, source = _one(sorted(rows), which)
            world.spoil(kind, key if kind == "header" else source)

    # ------------------------------------------------------------------ the hosts

    @rule(which=WHICH, host=HOSTS)
    def deliver(self, which: int, host: int) -> None:
        """A host handles a message."""
        self._deliver(which, host)

    @rule(count=st.integers(1, 10), host=HOSTS)
    def deliver_some(self, count: int, host: int) -> None:
        """A host handles some messages one after another."""
        self._deliver_in_turn(count, host)

    @rule(count=st.integers(1, 10), host=HOSTS)
    def deliver_the_latest(self, count: int, host: int) -> None:
        """A host handles some messages, the newest first."""
        self._deliver_in_turn(count, host, which=-1)

    @rule(host=HOSTS)
    def deliver_all(self, host: int) -> None:
        """A host has a quiet time and handles what there is."""
        self._deliver_in_turn(_A_QUIET_TIME, host)

    @rule(which=WHICH, host=HOSTS)
    def deliver_a_copy(self, which: int, host: int) -> None:
        """A host handles a message, but its delete is lost: the message is delivered again."""
        self._deliver(which, host, keep=True)

    @rule(first=WHICH, second=WHICH, at=st.integers(0, 25))
    def deliver_at_once(self, first: int, second: int, at: int) -> None:
        """One host is in the middle of a message while the other handles another one, or the same."""
        letters = self.scene.app.due_letters()
        if not letters:
            return
        one, other = _one(letters, first), _one(letters, second)
        self._told(f"at once, {at}: {one} and {other}", self.scene.app.deliver_both(one, other, at))

    @rule(which=WHICH, host=HOSTS, fate=FATES)
    def suffer(self, which: int, host: int, fate: Fate) -> None:
        """A host crashes in the middle of a message, or loses an answer."""
        self._deliver(which, host, fate)

    @rule(seconds=st.sampled_from([1, 5, 30, 301, 601, 1900]))
    def advance(self, seconds: int) -> None:
        """Time goes by: messages become due, leases and upload addresses expire."""
        self.scene.advance(timedelta(seconds=seconds))

    @rule(host=HOSTS, turned=st.booleans())
    def deploy(self, host: int, turned: bool) -> None:
        """A host is deployed with maps in another column order, or with the original ones. The other host keeps its
        own for now."""
        self._told(f"deploy to {host}, turned: {turned}", self.scene.deploy(host, turned=turned))

    @rule(host=HOSTS, fate=st.none() | FATES)
    def sweep(self, host: int, fate: Fate | None) -> None:
        """The sweep's timer."""
        self._told("sweep", self.scene.sweep(host, fate))

    # ------------------------------------------------------------------ the operator

    @rule(which=WHICH, host=HOSTS, rows=st.booleans(), fate=st.none() | FATES)
    def replay(self, which: int, host: int, rows: bool, fate: Fate | None) -> None:
        """Replay a run, or its rejected actuals."""
        invoice = _one(self.scene.world.invoices, which)
        self._ask("post_replay", host, fate, invoiceId=invoice.invoice_id, map="actuals" if rows else None)

    @rule(which=WHICH, host=HOSTS, fate=st.none() | FATES)
    def dismiss(self, which: int, host: int, fate: Fate | None) -> None:
        """Dismiss the rejected actuals of an invoice."""
        invoice = _one(self.scene.world.invoices, which)
        asked: dict[str, Any] = {"invoiceId": invoice.invoice_id, "map": "actuals", "reason": "entered by hand"}
        self._ask("post_dismissal", host, fate, **asked)

    @rule(which=WHICH, host=HOSTS)
    def reconcile(self, which: int, host: int) -> None:
        """Compare an invoice row by row, and repair the differences."""
        invoice = _one(self.scene.world.invoices, which)
        if invoice.confirmed:
            self._ask("post_reconciliation", host, None, invoiceId=invoice.invoice_id, fix=True)

    # ------------------------------------------------------------------ what stays true

    @invariant()
    def holds(self) -> None:
        """The services' own records show nothing wrong."""
        if self.began:
            self.scene.check()

    def teardown(self) -> None:
        """Faults stop; everything comes to rest, and what was promised is there."""
        if self.began:
            Rest(self.scene).come_to_rest()

    def _confirm(self, invoice: Invoice) -> None:
        self.scene.world.confirm(invoice)

    def _webhook(self, invoice: Invoice, host: int, fate: Fate | None = None) -> None:
        self._told(f"webhook of {invoice.invoice_id[:8]}", self.scene.webhook(invoice, host, fate))

    def _deliver(self, which: int, host: int, fate: Fate | None = None, *, keep: bool = False) -> None:
        # No precondition of the rules: how many messages there are depends on more than what was drawn.
        if letters := self.scene.app.due_letters():
            letter = _one(letters, which)
            self._told(str(letter), self.scene.app.deliver(letter, host, fate, keep=keep))

    def _deliver_in_turn(self, count: int, host: int, which: int = 0) -> None:
        app = self.scene.app
        for _ in range(count):
            if app.letters and not app.due_letters():
                self.scene.advance(min(letter.due for letter in app.letters) - app.clock.now())
            if app.letters:
                self._deliver(which, host)

    def _ask(self, function: str, host: int, fate: Fate | None, **asked: Any) -> None:
        # A crash during a repair leaves it to the operator who asked for it.
        self.scene.asks_for_a_person |= fate is not None
        self._told(function, self.scene.ask(function, host, fate, **asked))

    def _told(self, what: str, doing: Awaitable[Any]) -> None:
        self.scene.tell(f"    {what}: {self.scene.step(doing)}")


def _one[T](things: list[T], which: int) -> T:
    return things[which % len(things)]

"""The provider's staff, using the command line; killed commands are repeated."""

from random import Random
from threading import Event

from tests.chaos.client import RunEnded
from tests.chaos.installation import Account, CommandResult, Installation
from tests.chaos.journal import Debit, Journal, OperatorPosting
from tests.chaos.processes import Process
from tests.chaos.tally import Tally
from webapp.database.errors import SENTENCES

ARMED = 40
"""Number of armed steps per command; a command passes few of them."""


class Staff:
    def __init__(
        self,
        installation: Installation,
        accounts: list[Account],
        journal: Journal,
        tally: Tally,
        random: Random,
        over: Event,
    ) -> None:
        self._installation, self._accounts = installation, accounts
        self._journal, self._tally = journal, tally
        self._random, self._over = random, over
        self._number = 0

    def act(self) -> None:
        actions = {
            self._wires: 5,
            self._adjust: 3,
            self.decide: 3,
            self._paypal: 2,
            self._import: 2,
            self._new_account: 1,
            self.check_books: 2,
        }
        self._random.choices(list(actions), list(actions.values()))[0]()

    def decide(self) -> None:
        """L10: decide attempts according to the processor's books."""
        for waiting in self._command("attempts", "list", "--json").json:
            charged = {charge.key for charge in self._installation.snapshot.charges}
            verdict = "--paid" if waiting["key"] in charged else "--not-paid"
            decide = ("attempts", "decide", str(waiting["attempt"]), verdict)
            reason = ("--reason", "as the processor's books show")
            # It is refused if the attempt was settled, or needs no decision any more, since it was
            # listed.
            if self._command(*decide, "--charge", *reason).code == 0:
                self._journal.decided.add(waiting["attempt"])

    def check_books(self) -> None:
        """L13: the ledger check passes at any moment, also during payments."""
        check = self._command("ledger", "check")
        if check.code != 0:
            self._journal.fault(f"ledger check during traffic: {check.text[-500:]}")

    def _wires(self) -> None:
        wires = self._command("wires", "list", "--json").json
        for wire in [wire for wire in wires if wire["state"] in ("new", "proof_uploaded")][:3]:
            if self._random.random() < 0.2:
                self._command("wires", "reject", str(wire["id"]), "--reason", "no money arrived")
            else:
                self._complete(wire["id"])

    def _complete(self, wire_id: int) -> None:
        """Complete a wire request with two concurrent commands."""
        account_id = self._one(f"SELECT account_id FROM wire_request WHERE id = {wire_id}")
        credit = self._journal.wires.setdefault(
            wire_id, OperatorPosting(int(account_id), 250_000_000)
        )
        words = ("wires", "complete", str(wire_id), "--amount", "250.00")
        other = self._installation.start_command(*words, armed=self._tally.arm(ARMED))
        credit.answered |= self._command(*words).code == 0
        credit.answered |= self._ended(self._installation.end_command(other), other).code == 0

    def _adjust(self) -> None:
        self._number += 1
        reason = f"adjustment {self._number}"
        account = self._random.choice(self._accounts)
        amount = self._random.choice((5_000_000, -3_000_000))
        posting = self._journal.adjustments[reason] = OperatorPosting(account.id, amount)
        words = [
            "accounts",
            "adjust",
            str(account.id),
            f"{abs(amount) // 1_000_000}.00",
            "--charge",
        ]
        words += ["--reason", reason, *(["--debit"] if amount < 0 else [])]
        while not posting.answered and not self._over.is_set():
            posting.answered = self._once(*words).code == 0
            # Adjustments have no idempotency key, so the payment is looked up before a repeat.
            posted = self._one(f"SELECT count(*) FROM payment WHERE note = '{reason}'")
            posting.answered |= bool(posted)

    def _paypal(self) -> None:
        self._command("accounts", "paypal", str(self._random.choice(self._accounts).id), "on")

    def _import(self) -> None:
        """L12: import the same file until the command completes."""
        self._number += 1
        lines = ["account,amount,reference"]
        for number in range(self._random.randrange(1, 40)):
            account = self._random.choice(self._accounts)
            reference = f"file-{self._number}-{number}"
            self._journal.debits[reference] = Debit(account.id, 20_000)
            lines.append(f"{account.id},0.02,{reference}")
        file = self._installation.folder / f"usage-{self._number}.csv"
        file.write_text("\n".join(lines))
        imported = self._command("usage", "import", str(file))
        if imported.code != 0:
            self._journal.fault(f"usage import: {imported.text[-500:]}")
        for line in lines[1:]:
            self._journal.debits[line.rpartition(",")[2]].answered = True

    def _new_account(self) -> None:
        self._number += 1
        name = f"late-{self._number}"
        words = ("accounts", "create", "--name", name, "--email", f"{name}@chaos.test")
        self._command(*words, "--password", "keep-it-afloat-too", "--balance", "7.00")
        if self._one(f"SELECT count(*) FROM account WHERE name = '{name}'") != 1:
            self._journal.fault(f"account {name} does not exist exactly once")
        account_id = self._one(f"SELECT id FROM account WHERE name = '{name}'")
        self._accounts.append(Account(int(account_id), name, "", "", 7_000_000))

    def _command(self, *words: str) -> CommandResult:
        """Repeat the command until it completes without meeting a fail-over."""
        while (result := self._once(*words)).code is None or self._has_met_outage(result):
            if self._over.is_set():
                raise RunEnded
        return result

    def _has_met_outage(self, result: CommandResult) -> bool:
        fails_over = self._installation.database.fails_over
        return fails_over and any(sentence in result.text for sentence in SENTENCES.values())

    def _once(self, *words: str) -> CommandResult:
        self._journal.count_action(f"{words[0]} {words[1]}")
        process = self._installation.start_command(*words, armed=self._arm())
        return self._ended(self._installation.end_command(process), process)

    def _arm(self) -> dict[str, int]:
        return self._tally.arm(ARMED) if not self._over.is_set() else {}

    def _ended(self, result: CommandResult, process: Process) -> CommandResult:
        record = self._tally.record if result.code is None else self._tally.record_survival
        record(process)
        return result

    def _one(self, sql: str) -> object:
        return self._installation.database.one(sql)

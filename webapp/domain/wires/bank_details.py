"""The bank account that wire transfers go to, as the operator has it."""

from dataclasses import dataclass

from webapp.domain.shared.i18n import N_


@dataclass(frozen=True)
class BankDetails:
    """Empty: not given."""

    beneficiary: str
    address: str = ""
    """The beneficiary's; banks abroad ask for it."""
    bank: str = ""
    iban: str = ""
    bic: str = ""
    account: str = ""
    """With `routing`, the account for dollars sent within the United States."""
    routing: str = ""
    pretend: bool = False
    """The sandbox's: no bank knows it."""

    def lines(self, currency: str) -> list[tuple[str, str]]:
        """Name and value of what a transfer in this currency needs, in the order of bank forms."""
        local = [(N_("Account number"), self.account), (N_("Routing number"), self.routing)]
        abroad = [("IBAN", self.iban)]
        by_account = bool(self.account) and (currency == "USD" or not self.iban)
        lines = [
            (N_("Beneficiary"), self.beneficiary),
            (N_("Address"), self.address),
            *(local if by_account else abroad),
            ("BIC", self.bic),
            (N_("Bank"), self.bank),
        ]
        return [(name, value) for name, value in lines if value]

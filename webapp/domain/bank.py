"""The bank account that wire transfers go to, as the operator has it."""

from dataclasses import dataclass


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
        local = [("Account number", self.account), ("Routing number", self.routing)]
        abroad = [("IBAN", self.iban)]
        by_account = bool(self.account) and (currency == "USD" or not self.iban)
        lines = [
            ("Beneficiary", self.beneficiary),
            ("Address", self.address),
            *(local if by_account else abroad),
            ("BIC", self.bic),
            ("Bank", self.bank),
        ]
        return [(name, value) for name, value in lines if value]

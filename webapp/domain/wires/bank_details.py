"""The bank account that receives wire transfers, as configured by the operator."""

from dataclasses import dataclass

from webapp.domain.shared.i18n import N_


@dataclass(frozen=True)
class BankDetails:
    """Bank details; an empty value is not shown."""

    beneficiary: str
    address: str = ""
    """Address of the beneficiary, required for international transfers."""
    bank: str = ""
    iban: str = ""
    bic: str = ""
    account: str = ""
    """Account number, with `routing` for US domestic transfers."""
    routing: str = ""
    pretend: bool = False
    """Whether these are the sandbox's details, which are not real."""

    def lines(self, currency: str) -> list[tuple[str, str]]:
        """Return names and values for a transfer in this currency, in the order of bank forms."""
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

"""The sandbox's bank account for wire transfers, with invalid check digits that no bank accepts."""

from webapp.domain.wires.bank_details import BankDetails

PRETEND = BankDetails(
    beneficiary="Ballast Demo Ltd",
    bank="Sandbox Bank, Dublin",
    iban="IE00 SNBX 0000 1234 5678 90",
    bic="SNBXIE2DXXX",
    pretend=True,
)

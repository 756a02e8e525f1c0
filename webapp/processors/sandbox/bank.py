"""The pretend bank account of wire transfers. Its check digits are wrong, so no bank accepts it."""

from webapp.domain.wires.bank_details import BankDetails

PRETEND = BankDetails(
    beneficiary="Ballast Demo Ltd",
    bank="Sandbox Bank, Dublin",
    iban="IE00 SNBX 0000 1234 5678 90",
    bic="SNBXIE2DXXX",
    pretend=True,
)

"""The owner of a new account, as a person or a program enters them."""

from dataclasses import dataclass

from webapp.domain.shared import texts
from webapp.domain.shared.email_address import is_address
from webapp.domain.shared.texts import NAME_LENGTH
from webapp.domain.users import passwords


@dataclass(frozen=True)
class OwnerChoice:
    """Name and email address, and how the owner gets in."""

    email: str
    name: str = ""
    password: str | None = None
    """None: the owner is invited by email, and chooses one (V4)."""

    @property
    def address(self) -> str:
        return self.email.strip().lower()

    def faults(self, account_name: str) -> dict[str, str]:
        """Return an error for each invalid field."""
        faults: dict[str, str] = {}
        if fault := texts.fault(self.name.strip(), NAME_LENGTH):
            faults["owner_name"] = fault
        if not is_address(self.address):
            faults["email"] = "Enter an email address such as ana@example.com"
        if self.password is not None:
            names = (self.address, self.name, account_name)
            if fault := passwords.fault(self.password, names):
                faults["password"] = fault
        return faults

"""Query a processor about a charge. A rejected query says nothing about the charge itself."""

from webapp.ports import Answer, NotKnown, Processor, RequestRejected, Unknown


def ask(processor: Processor, key: str) -> Answer | NotKnown:
    """Query the outcome of the charge."""
    return _rejected_as_unknown(processor.ask(key))


def cancel(processor: Processor, key: str) -> Answer | NotKnown:
    """Cancel the charge's challenge. Returns the outcome if the customer answered first."""
    return _rejected_as_unknown(processor.cancel(key))


def _rejected_as_unknown(answer: Answer | NotKnown) -> Answer | NotKnown:
    return Unknown(answer.reason) if isinstance(answer, RequestRejected) else answer

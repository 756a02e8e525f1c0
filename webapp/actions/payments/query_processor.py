"""Asking a processor about a charge. Its refusal to answer says nothing about the charge itself."""

from webapp.ports import Answer, NotKnown, Processor, RequestRejected, Unknown


def ask(processor: Processor, key: str) -> Answer | NotKnown:
    """What became of it."""
    return _about_the_charge(processor.ask(key))


def cancel(processor: Processor, key: str) -> Answer | NotKnown:
    """Give up its challenge; the outcome, if that came first."""
    return _about_the_charge(processor.cancel(key))


def _about_the_charge(answer: Answer | NotKnown) -> Answer | NotKnown:
    return Unknown(answer.reason) if isinstance(answer, RequestRejected) else answer

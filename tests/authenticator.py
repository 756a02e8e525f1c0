"""Software authenticator: answers like a browser, also with responses that must be refused."""

import json
from hashlib import sha256
from secrets import token_bytes

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class Authenticator:
    def __init__(self, host: str, origin: str) -> None:
        self.host, self.origin = host, origin
        self.id = token_bytes(16)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.count = 0

    def create(self, options: dict) -> str:
        """Return the JSON that `navigator.credentials.create` would produce."""
        point = self.key.public_key().public_numbers()
        public = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}
        length = len(self.id).to_bytes(2)
        attested = bytes(16) + length + self.id + cbor2.dumps(public)
        data = self._data(PRESENT | VERIFIED | ATTESTED) + attested
        sent = {"fmt": "none", "attStmt": {}, "authData": data}
        client = self._client("webauthn.create", options["challenge"])
        return self._json(attestationObject=cbor2.dumps(sent), clientDataJSON=client)

    def get(self, options: dict, *, flags: int = PRESENT | VERIFIED) -> str:
        """Return the JSON that `navigator.credentials.get` would produce."""
        self.count += 1
        data = self._data(flags)
        client = self._client("webauthn.get", options["challenge"])
        signed = data + sha256(client).digest()
        signature = self.key.sign(signed, ec.ECDSA(hashes.SHA256()))
        return self._json(authenticatorData=data, clientDataJSON=client, signature=signature)

    def _data(self, flags: int) -> bytes:
        return sha256(self.host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4)

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _json(self, **response: bytes) -> str:
        name = bytes_to_base64url(self.id)
        texts = {key: bytes_to_base64url(value) for key, value in response.items()}
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": texts})

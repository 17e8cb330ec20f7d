"""A certificate authority, a server certificate, and a project's key and trust stores."""

import base64
import hashlib
import secrets
import struct
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

_PASSWORD = "project-password"
# The object identifier of Sun's key protector, 1.3.6.1.4.1.42.2.17.1.1, with null parameters.
_ALGORITHM = bytes.fromhex("300e060a2b060104012a021101010500")

_Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Identity(NamedTuple):
    """A key and the certificate that speaks of it."""

    key: _Key
    certificate: x509.Certificate

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def certificate_der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)


def new_authority() -> Identity:
    """Return a certificate authority of its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Identity(key, _certificate("stub authority", key, "stub authority", key, is_ca=True))


def issue(authority: Identity, name: str, key: _Key | None = None) -> Identity:
    """Return an identity for ``name`` and 127.0.0.1 that the authority vouches for."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    return Identity(key, _certificate(name, key, "stub authority", authority.key, is_ca=False))


def project_credentials(authority: Identity) -> dict[str, str]:
    """Return what ``GET /project/{id}/credentials`` answers."""
    client = issue(authority, "demo__user", rsa.generate_private_key(65537, 2048))
    return {
        "fileExtension": "jks",
        "kStore": base64.b64encode(_key_store(client, authority)).decode(),
        "tStore": base64.b64encode(_trust_store(authority)).decode(),
        "password": _PASSWORD,
        "caChain": authority.certificate_pem.decode(),
        "clientCert": client.certificate_pem.decode(),
        "clientKey": client.key_pem.decode(),
    }


def _certificate(
    name: str, key: _Key, issuer: str, issuer_key: _Key, *, is_ca: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    alternatives = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    )
    return builder.sign(issuer_key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _key_store(client: Identity, authority: Identity) -> bytes:
    key = client.key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    protected = _protect(key)
    chain = b"".join(map(_x509, (client.certificate_der, authority.certificate_der)))
    entry = struct.pack(">I", len(protected)) + protected + struct.pack(">I", 2) + chain
    return _java_key_store(1, entry)


def _trust_store(authority: Identity) -> bytes:
    return _java_key_store(2, _x509(authority.certificate_der))


def _java_key_store(tag: int, entry: bytes) -> bytes:
    """Return a JKS file of one entry: 1 a private key with its chain, 2 a trusted certificate."""
    head = struct.pack(">III", 0xFEEDFEED, 2, 1)
    body = head + struct.pack(">I", tag) + _utf("stub") + struct.pack(">q", 0) + entry
    return body + hashlib.sha1(_password() + b"Mighty Aphrodite" + body).digest()


def _protect(key: bytes) -> bytes:
    """Encrypt as JKS does: XOR with a chain of SHA-1 over the password and a salt."""
    salt = secrets.token_bytes(20)
    stream, digest = b"", salt
    while len(stream) < len(key):
        digest = hashlib.sha1(_password() + digest).digest()
        stream += digest
    hidden = bytes(a ^ b for a, b in zip(key, stream, strict=False))
    check = hashlib.sha1(_password() + key).digest()
    return _der(0x30, _ALGORITHM + _der(0x04, salt + hidden + check))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _x509(certificate: bytes) -> bytes:
    return _utf("X.509") + struct.pack(">I", len(certificate)) + certificate


def _utf(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode()


def _password() -> bytes:
    return _PASSWORD.encode("utf-16-be")

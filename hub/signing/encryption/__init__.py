"""Encryption of model files and folders, for X25519 recipients or a passphrase; see docs/encryption.md."""

from hub.signing.encryption._files import Done, decrypt, encrypt
from hub.signing.encryption._header import MAGIC
from hub.signing.encryption._recipients import load_identity, load_recipient

__all__ = ["MAGIC", "Done", "decrypt", "encrypt", "load_identity", "load_recipient"]

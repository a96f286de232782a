"""Prints RSA keys of 2,048 bits, as many as asked for, as PKCS #8 in PEM.

AWS's endpoints have certificates by such keys, and ring, which signs with them in the benchmark's stub, makes none. They
are made anew for each run and are never in a file.
"""

import sys

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

for _ in range(int(sys.argv[1])):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    sys.stdout.write(pem.decode())

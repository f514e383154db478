"""The same by the cipher alone: each MiB encrypted and decrypted."""

import json
import time

from sealing_raisin import CHUNK, figures


def encrypted_and_decrypted(module, data):
    cipher, began = module.aes_gcm(bytes(32)), time.perf_counter()
    for number in range(len(data) // CHUNK):
        nonce = number.to_bytes(12, "big")
        encrypted = cipher.encrypt(nonce, data[number * CHUNK : (number + 1) * CHUNK], b"associated")
        decrypted = cipher.decrypt(nonce, encrypted, b"associated")
    assert decrypted == data[-CHUNK:]
    return time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps(figures(encrypted_and_decrypted)))

"""Pure cryptography: Paillier, packing, threshold decryption, proofs, Merkle trees, sealing, signatures. No I/O."""

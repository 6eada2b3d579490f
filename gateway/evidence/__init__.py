"""Evidence for somebody who does not trust the operator: a Merkle log over the journal's exact bytes, signed
checkpoints of it, warrants of single calls, and a verifier that needs none of the rest."""

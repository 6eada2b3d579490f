"""Who is calling: issuers and verifiers. One file per kind of proof; each yields a `WorkloadIdentity`.

front.py      one verifier over all kinds of proof
presented.py  an Authorization header, read with strictness and not believed
jwt.py        a presented token, believed or refused, by the profile of its issuer; signature.py: is it signed?
claims.py     what the claims of any token must be: times, audience, scope
proof.py      a token that is bound to a key: DPoP, client certificates; usedproofs.py: what all processes remember
x509.py       a client's certificate, believed or refused
sets.py       security event tokens: who was stolen or has ended
profile.py    what a profile is: the seam that every kind of issuer slots into
kinds.py      the kinds, a row each: OAuth, SPIFFE, Kubernetes, GitHub, clouds
naming.py     from claims to names, as the operator says
spiffe.py     SPIFFE IDs
keycache.py   an issuer's keys in memory, from fetching.py or workloadapi.py; keyfile.py: those of a file; jwk.py:
              how one is read
answers.py    what an issuer says of tokens, in memory, by introspection.py; opaque.py: what such an answer must be
local.py      the embedded issuer: tokens for one machine, no identity provider needed
keys.py       its signing keys on the disk
"""

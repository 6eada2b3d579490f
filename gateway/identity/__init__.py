"""Who is calling: issuers and verifiers. One file per kind of proof; each yields a `WorkloadIdentity`.

presented.py  an Authorization header, read with strictness and not believed
jwt.py        a presented token, believed or refused, by the profile of its issuer
profile.py    what a profile is: the seam that OIDC, SPIFFE and platform issuers slot into
local.py      the embedded issuer: tokens for one machine, no identity provider needed
keys.py       its signing keys on the disk
"""

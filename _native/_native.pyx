# distutils: language = c
"""Native part of wfm-gateway: see gateway/_native.pyi for the contract."""

include "_native/refused.pxi"
include "_native/head.pxi"
include "_native/wire.pxi"
include "_native/structured.pxi"
include "_native/serialise.pxi"
include "_native/candidate.pxi"
include "_native/select.pxi"
include "_native/base.pxi"
include "_native/digest.pxi"
include "_native/ecdsa.pxi"
include "_native/forward.pxi"

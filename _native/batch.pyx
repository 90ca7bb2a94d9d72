# distutils: language = c
"""Eight signatures at once, with Intel's crypto_mb: see gateway/_batch.pyi for the contract."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t

from _native.crypto_mb cimport (
    MBX_AVX512_GENERAL_ISA,
    ed25519_public_key,
    ed25519_sign_component,
    mbcpCPUID_AVX512VL,
    mbx_ed25519_verify_mb8,
    mbx_get_cpu_features,
    mbx_getversion,
    mbx_nistp256_ecdsa_verify_mb8,
    mbx_nistp384_ecdsa_verify_mb8,
    mbx_status,
)

include "_native/batch_lanes.pxi"
include "_native/batch_ecdsa.pxi"
include "_native/batch_ed25519.pxi"

FEATURES = MBX_AVX512_GENERAL_ISA | mbcpCPUID_AVX512VL


def cpu_features():
    return mbx_get_cpu_features()


def library():
    # "crypto_mb (ver 1.2.3 Oct 28 2019)"
    return (<bytes>mbx_getversion().strVersion).decode("ascii", "replace").strip()

# Intel's crypto_mb (Apache-2.0): what is called of it, and nothing more.

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef extern from *:
    """
    #define BN_OPENSSL_DISABLE
    #include <crypto_mb/cpu_features.h>
    #include <crypto_mb/ec_nistp256.h>
    #include <crypto_mb/ec_nistp384.h>
    #include <crypto_mb/ed25519.h>
    #include <crypto_mb/version.h>

    /* The archive also has forms that take OpenSSL's numbers. Nobody calls them, but the objects they stand in want
       these names; hidden, so that no other library in the process finds them here. */
    #define ABSENT(name) __attribute__((visibility("hidden"))) void name(void) { __builtin_trap(); }
    ABSENT(BN_bin2bn)
    ABSENT(BN_bn2lebinpad)
    ABSENT(BN_is_word)
    ABSENT(BN_num_bits)
    ABSENT(ECDSA_SIG_get0)
    """
    ctypedef unsigned int mbx_status
    # What the AVX-512 form of the library is compiled for.
    const unsigned long long MBX_AVX512_GENERAL_ISA
    const unsigned long long mbcpCPUID_AVX512VL
    ctypedef unsigned char ed25519_sign_component[32]
    ctypedef unsigned char ed25519_public_key[32]
    ctypedef struct mbxVersion:
        const char* strVersion

    const mbxVersion* mbx_getversion() nogil
    unsigned long long mbx_get_cpu_features() nogil
    mbx_status mbx_nistp256_ecdsa_verify_mb8(
        const uint8_t** r, const uint8_t** s, const uint8_t** digests,
        const unsigned long long** x, const unsigned long long** y, const unsigned long long** z, uint8_t* scratch,
    ) nogil
    mbx_status mbx_nistp384_ecdsa_verify_mb8(
        const uint8_t** r, const uint8_t** s, const uint8_t** digests,
        const unsigned long long** x, const unsigned long long** y, const unsigned long long** z, uint8_t* scratch,
    ) nogil
    mbx_status mbx_ed25519_verify_mb8(
        const ed25519_sign_component** r, const ed25519_sign_component** s, const uint8_t** messages,
        const uint32_t* lengths, const ed25519_public_key** points,
    ) nogil

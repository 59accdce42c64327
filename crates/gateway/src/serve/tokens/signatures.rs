//! Signatures of access tokens, checked by ring, which the TLS of this program has anyway. Nothing is signed here, and
//! nothing that has a shared secret is taken: who checks such a token could have made it.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{Error, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, EncodingKey};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Has tokens checked by ring, once for the process.
pub(super) fn install() {
    // It is there already, or is there now.
    let _ = PROVIDER.install_default();
}

fn signer(_: &Algorithm, _: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let checks = match (way_of(*algorithm), key.kind()) {
        _ if algorithm.family() != key.family() => return Err(ErrorKind::InvalidAlgorithm.into()),
        (Some(Way::Bytes(way)), DecodingKeyKind::SecretOrDer(bytes)) => Check::Bytes(way, bytes.clone()),
        (Some(Way::Rsa(way)), DecodingKeyKind::RsaModulusExponent { n, e }) => {
            let (n, e) = (n.clone(), e.clone());
            Check::Rsa(way, RsaPublicKeyComponents { n, e })
        }
        (_, DecodingKeyKind::SecretOrDer(_) | DecodingKeyKind::RsaModulusExponent { .. }) => {
            return Err(ErrorKind::UnsupportedAlgorithm.into());
        }
    };
    let algorithm = *algorithm;
    Ok(Box::new(Checks {
        algorithm,
        check: checks,
    }))
}

enum Way {
    Bytes(&'static dyn VerificationAlgorithm),
    Rsa(&'static RsaParameters),
}

/// How signatures of an algorithm are checked; nothing for those that are not taken.
fn way_of(algorithm: Algorithm) -> Option<Way> {
    Some(match algorithm {
        Algorithm::RS256 => Way::Rsa(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Way::Rsa(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Way::Rsa(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Way::Rsa(&RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Way::Rsa(&RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Way::Rsa(&RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => Way::Bytes(&ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Way::Bytes(&ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => Way::Bytes(&ED25519),
        // Shared secrets, and whatever else the library may come to know.
        _ => return None,
    })
}

/// Whether signatures of an algorithm are taken at all.
pub(super) fn takes(algorithm: Algorithm) -> bool {
    way_of(algorithm).is_some()
}

enum Check {
    Bytes(&'static dyn VerificationAlgorithm, Vec<u8>),
    Rsa(&'static RsaParameters, RsaPublicKeyComponents<Vec<u8>>),
}

struct Checks {
    algorithm: Algorithm,
    check: Check,
}

impl Verifier<Vec<u8>> for Checks {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        let checked = match &self.check {
            Check::Bytes(way, key) => UnparsedPublicKey::new(*way, key).verify(message, signature),
            Check::Rsa(way, key) => key.verify(way, message, signature),
        };
        checked.map_err(|_| Error::new())
    }
}

impl JwtVerifier for Checks {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

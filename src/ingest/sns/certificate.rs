//! The certificate that SNS signs with.

use aws_lc_rs::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use chrono::{DateTime, Utc};
use x509_parser::{pem::parse_x509_pem, public_key::PublicKey};

/// The RSA key of a certificate, as DER (PKCS #1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// The key of a certificate that is valid at this time. That the certificate belongs to SNS is known from the host
    /// that gave it, over TLS.
    pub fn of_pem(pem: &[u8], now: DateTime<Utc>) -> Option<Self> {
        let (_, pem) = parse_x509_pem(pem).ok()?;
        let certificate = pem.parse_x509().ok()?;
        let validity = certificate.validity();
        let valid =
            (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now.timestamp());
        let key = certificate.public_key();
        let is_rsa = matches!(key.parsed(), Ok(PublicKey::RSA(_)));
        (valid && is_rsa).then(|| Self(key.subject_public_key.data.to_vec()))
    }

    /// Version 1 of SNS' signatures.
    pub(super) fn verifies_sha1(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, &self.0)
            .verify(message, signature)
            .is_ok()
    }

    /// Version 2.
    pub(super) fn verifies_sha256(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.0).verify(message, signature).is_ok()
    }
}

//! Proof that a machine has the key of the certificate that it names, so that nobody takes a known machine's place by
//! naming its certificate.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, UnparsedPublicKey};

use crate::base::{Error, Fingerprint, Result, base64url};
use crate::home::certificate::Certificate;

/// How a P-256 key begins in a certificate; its point of [`POINT`] bytes follows (RFC 5480).
const P256_KEY: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
const POINT: usize = 65;
/// Goes before what is signed, so that the signature is good for nothing else.
const LABEL: &[u8] = b"loopsy-pair-v2 certificate ";

/// This machine's certificate, and what proves that it is its own.
pub struct Papers {
    /// What the certificate is known by.
    pub fingerprint: Fingerprint,
    der: Vec<u8>,
    key: Option<EcdsaKeyPair>,
}

impl Papers {
    /// The papers that go with a certificate.
    pub fn of(certificate: &Certificate) -> Result<Self> {
        let credentials = certificate.credentials();
        let der = credentials.chain.first().ok_or_else(|| Error::internal("there is no certificate", "an empty chain"))?.to_vec();
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, credentials.key.secret_der(), &random).ok();
        Ok(Self { fingerprint: Fingerprint::of(&der), der, key })
    }
    /// The certificate as text.
    pub fn certificate(&self) -> String {
        base64url::encode(&self.der)
    }
    /// Signs what the other side knows to be of this pairing. A certificate of another kind, put there by hand, can't.
    pub fn prove(&self, challenge: &[u8]) -> Option<String> {
        let signature = self.key.as_ref()?.sign(&SystemRandom::new(), &[LABEL, challenge].concat()).ok()?;
        Some(base64url::encode(signature.as_ref()))
    }
}

/// Whether `proof` was made with the key of the certificate, which has this fingerprint.
pub fn is_proved(certificate: &str, fingerprint: &Fingerprint, challenge: &[u8], proof: &str) -> bool {
    let (Some(der), Some(proof)) = (base64url::decode(certificate), base64url::decode(proof)) else { return false };
    let Some(point) = public_key(&der) else { return false };
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point);
    Fingerprint::of(&der) == *fingerprint && key.verify(&[LABEL, challenge].concat(), &proof).is_ok()
}

fn public_key(der: &[u8]) -> Option<&[u8]> {
    let mut found = der.windows(P256_KEY.len()).enumerate().filter(|(_, window)| *window == P256_KEY);
    let (at, _) = found.next().filter(|_| found.next().is_none())?;
    der.get(at + P256_KEY.len()..at + P256_KEY.len() + POINT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::Home;
    use crate::home::certificate::load_or_create;

    #[test]
    fn only_who_has_the_key_can_prove_it_and_only_for_this_pairing() {
        let papers = || {
            let dir = tempfile::tempdir().unwrap();
            Papers::of(&load_or_create(&Home::at(dir.path()), "kai", crate::base::clock::now()).unwrap()).unwrap()
        };
        let (kai, eve) = (papers(), papers());
        let proof = kai.prove(b"challenge").unwrap();
        assert!(is_proved(&kai.certificate(), &kai.fingerprint, b"challenge", &proof));
        assert!(!is_proved(&kai.certificate(), &kai.fingerprint, b"another", &proof));
        assert!(!is_proved(&kai.certificate(), &kai.fingerprint, b"challenge", &eve.prove(b"challenge").unwrap()));
        assert!(!is_proved(&eve.certificate(), &kai.fingerprint, b"challenge", &eve.prove(b"challenge").unwrap()));
        for wrong in ["", "AAAA", "\0", "é"] {
            assert!(!is_proved(wrong, &kai.fingerprint, b"challenge", &proof));
            assert!(!is_proved(&kai.certificate(), &kai.fingerprint, b"challenge", wrong));
        }
    }
}

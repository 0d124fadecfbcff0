//! What both sides have after the exchange, and what they tell each other in sealed boxes.

use serde::{Deserialize, Serialize};

use super::crypto::{Introduction, Keys, Side};
use super::papers::{self, Papers};
use crate::api::pairing::{PairCancel, PairFinish};
use crate::base::secret::Secret;
use crate::base::text::printable;
use crate::base::{Code, Error, Fingerprint, Result, base64url, id};

/// Longest name of a machine, characters.
const NAME: usize = 64;
/// Most abilities of a machine.
const ABILITIES: usize = 64;
/// What a side proves by its MAC in the exchange.
pub(super) const CONFIRM: &str = "confirm";
/// What is signed with a certificate's key.
const CERTIFICATE: &str = "certificate";
/// What the calling side proves when it cancels.
const CANCEL: &str = "cancel";

/// Who a machine is and how it is reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Card {
    /// Node id.
    pub node_id: String,
    /// Its name for itself.
    pub hostname: String,
    /// The port that it listens on.
    pub port: u16,
    /// `linux`, `darwin` or `win32`.
    pub platform: String,
    /// What its certificate is known by.
    pub cert_fingerprint: Fingerprint,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// The certificate itself, base64url, for [`Card::proof`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Signature with the certificate's key over what is of this pairing alone: needed to renew an entry without asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
}

/// What is in a box.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sealed {
    /// The other side's user said no.
    Rejected {
        /// Always true.
        rejected: bool,
    },
    /// The other side's user said yes.
    Card(Box<Card>),
}

impl Introduction {
    /// Checks who somebody says to be.
    ///
    /// # Errors
    /// `INVALID_REQUEST`, naming the field.
    pub fn checked(node_id: &str, hostname: &str) -> Result<Self> {
        if !id::is_token(node_id) {
            return Err(Error::invalid("nodeId: it is not a node id"));
        }
        if hostname.trim().is_empty() || hostname.chars().count() > NAME || printable(hostname) != hostname {
            return Err(Error::invalid(format!("hostname: it must have 1 to {NAME} characters, none of them control characters")));
        }
        Ok(Self { node_id: node_id.to_owned(), hostname: hostname.to_owned() })
    }
}

/// Reads a binary field.
///
/// # Errors
/// `INVALID_REQUEST`, naming the field.
pub(super) fn binary(field: &str, text: &str) -> Result<Vec<u8>> {
    base64url::decode(text).ok_or_else(|| Error::invalid(format!("{field}: it is not base64url without padding")))
}

/// One side's view of an agreement.
pub struct Agreement {
    /// Which side this is.
    pub(super) side: Side,
    /// The name of the try.
    pub(super) session_id: String,
    /// Who the other side said it is.
    pub(super) peer: Introduction,
    /// What both have in common.
    pub(super) keys: Keys,
}

impl Agreement {
    /// Who the other side is.
    pub fn peer(&self) -> &Introduction {
        &self.peer
    }
    /// The six digits that both users compare.
    pub fn digits(&self) -> &str {
        self.keys.digits()
    }
    /// The key with which the two machines will call each other.
    pub fn pair_key(&self) -> Secret {
        self.keys.pair_key()
    }
    /// What a side signs to prove that a certificate is its own.
    fn challenge(&self, side: Side) -> Vec<u8> {
        self.keys.mac(side, CERTIFICATE)
    }
    /// This side's card, with proof that the certificate is its own.
    pub fn signed(&self, card: Card, papers: &Papers) -> Sealed {
        let proof = papers.prove(&self.challenge(self.side));
        Sealed::Card(Box::new(Card { certificate: Some(papers.certificate()), proof, ..card }))
    }
    /// Whether the other side proved that the certificate is its own.
    pub fn is_proved(&self, card: &Card) -> bool {
        let challenge = self.challenge(self.side.other());
        let (Some(certificate), Some(proof)) = (&card.certificate, &card.proof) else { return false };
        papers::is_proved(certificate, &card.cert_fingerprint, &challenge, proof)
    }
    /// Seals what this side tells the other.
    pub fn seal(&self, content: &Sealed) -> Result<String> {
        let text = serde_json::to_vec(content).map_err(|cause| Error::internal("a box can't be written", cause))?;
        Ok(base64url::encode(&self.keys.seal(self.side, &self.session_id, &text)?))
    }
    /// Opens what the other side told, which must be who it said it is.
    ///
    /// # Errors
    /// `PAIR_INVALID` for a box that is not from there, or is about another machine.
    pub fn open(&self, sealed: &str) -> Result<Sealed> {
        let invalid = |what: &str| Error::new(Code::PairInvalid, what);
        let text = self.keys.open(self.side.other(), &self.session_id, &binary("sealed", sealed)?)?;
        let content = serde_json::from_slice(&text).map_err(|_| invalid("what the sealed box holds can't be read"))?;
        if let Sealed::Card(card) = &content {
            if card.node_id != self.peer.node_id || card.hostname != self.peer.hostname {
                return Err(invalid("the sealed box is about another machine"));
            }
            let words = std::iter::once(&card.platform).chain(&card.capabilities);
            let fits = words.clone().all(|word| word.len() <= NAME && printable(word) == *word);
            if card.port == 0 || card.capabilities.len() > ABILITIES || !fits {
                return Err(invalid("the sealed box holds what no machine says of itself"));
            }
        }
        Ok(content)
    }
    /// The last step of the calling side.
    pub fn finish(&self, content: &Sealed) -> Result<PairFinish> {
        Ok(PairFinish { session_id: self.session_id.clone(), sealed: self.seal(content)? })
    }
    /// The calling side ends it, with proof that it is the one.
    pub fn cancel(&self) -> PairCancel {
        let mac = self.keys.mac(Side::Calling, CANCEL);
        PairCancel { session_id: Some(self.session_id.clone()), mac: Some(base64url::encode(&mac)), session: None }
    }
    /// Whether this is the calling side's proof.
    pub fn is_cancel(&self, mac: &[u8]) -> bool {
        self.keys.is_mac(Side::Calling, CANCEL, mac)
    }
}

//! The side on which the code is typed: what it says and what it makes of the answers. Pure: messages in, messages out.

use super::agreement::{Agreement, CONFIRM, binary};
use super::crypto::{Half, Introduction, Part, Side, Transcript, commitment};
use crate::api::pairing::{PAIRING_VERSION, PairCancel, PairExchange, PairExchanged, PairInitiate, PairInitiated};
use crate::base::secret::Secret;
use crate::base::{Code, Error, Result, base64url, id};

/// It has committed itself to its part.
pub struct Calling {
    me: Introduction,
    half: Half,
    part: Part,
    commitment: [u8; 32],
}

/// It has shown its part and its proof.
pub struct Proving(Agreement);

impl Calling {
    /// Begins, with the first request.
    pub fn begin(me: Introduction, code: &Secret) -> Result<(Self, PairInitiate)> {
        let (half, part) = Half::new(Side::Calling, code)?;
        let commitment = commitment(&part, &me);
        let request = PairInitiate {
            version: PAIRING_VERSION,
            node_id: me.node_id.clone(),
            hostname: me.hostname.clone(),
            commitment: base64url::encode(&commitment),
        };
        Ok((Self { me, half, part, commitment }, request))
    }

    /// Takes the answer to the first request, and makes the second.
    ///
    /// # Errors
    /// `PAIR_INVALID` for what no waiting machine answers.
    pub fn initiated(self, reply: &PairInitiated) -> Result<(Proving, PairExchange)> {
        let Self { me, half, part, commitment } = self;
        let invalid = |error: Error| Error { code: Code::PairInvalid, ..error };
        let peer = Introduction::checked(&reply.node_id, &reply.hostname).map_err(invalid)?;
        if peer.node_id == me.node_id {
            return Err(Error::invalid("that is this machine itself").hint("Give the address of the machine that shows the code."));
        }
        if !id::is_token(&reply.session_id) {
            return Err(Error::new(Code::PairInvalid, "the answer names no session"));
        }
        let theirs = Part {
            public_key: binary("publicKey", &reply.public_key).map_err(invalid)?,
            nonce: binary("nonce", &reply.nonce).map_err(invalid)?,
            pake: binary("pake", &reply.pake).map_err(invalid)?,
        };
        let transcript = Transcript {
            version: PAIRING_VERSION,
            calling: &me,
            commitment: &commitment,
            session_id: &reply.session_id,
            waiting: &peer,
            waiting_part: &theirs,
            calling_part: &part,
        };
        let keys = half.agree(&theirs, &transcript)?;
        let request = PairExchange {
            session_id: reply.session_id.clone(),
            public_key: base64url::encode(&part.public_key),
            nonce: base64url::encode(&part.nonce),
            pake: base64url::encode(&part.pake),
            confirm: base64url::encode(&keys.mac(Side::Calling, CONFIRM)),
        };
        Ok((Proving(Agreement { side: Side::Calling, session_id: reply.session_id.clone(), peer, keys }), request))
    }
}

impl Proving {
    /// Takes the answer to the second request: proof that the other side knows the code, too.
    ///
    /// # Errors
    /// `PAIR_INVALID` where it does not prove it.
    pub fn exchanged(self, reply: &PairExchanged) -> Result<Agreement> {
        let mac = base64url::decode(&reply.confirm).unwrap_or_default();
        if self.0.keys.is_mac(Side::Waiting, CONFIRM, &mac) {
            return Ok(self.0);
        }
        Err(Error::new(Code::PairInvalid, "what answers there can't prove that it knows the code")
            .hint("Somebody may be in between. Check the address, and begin anew on both machines."))
    }
    /// What ends it, should the answer get lost.
    pub fn cancel(&self) -> PairCancel {
        self.0.cancel()
    }
}

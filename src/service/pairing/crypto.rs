//! The cryptography of pairing: two key exchanges, what binds them together, and the keys that come of it.
//!
//! Each side makes a fresh [`Half`] and shows its public [`Part`]. The side that calls commits itself to its part before it
//! sees the other's, so that nobody in between can choose a part that makes the digits come out as wished. Everything that
//! both sides have seen goes into the [`Transcript`], whose hash salts the keys.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::digest::{Context, SHA256};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use spake2::{Ed25519Group, Identity, Password, Spake2};

use crate::base::secret::Secret;
use crate::base::{Code, Error, Result, hash};

/// Goes into everything that is hashed or derived, so that no value of pairing is one of anything else.
const LABEL: &str = "loopsy-pair-v2";
/// Bytes of a nonce, of a hash and of each key.
const SIZE: usize = 32;
/// How many codes there are; digits to compare as well.
const CODES: u32 = 1_000_000;

/// Which of the two machines: the one that shows the code and waits, or the one on which it is typed and that calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Shows the code. `A` in the specification.
    Waiting,
    /// Calls. `B` in the specification.
    Calling,
}

impl Side {
    /// The side at the other end.
    pub fn other(self) -> Self {
        match self {
            Side::Waiting => Side::Calling,
            Side::Calling => Side::Waiting,
        }
    }
    fn letter(self) -> &'static str {
        match self {
            Side::Waiting => "A",
            Side::Calling => "B",
        }
    }
}

/// Who a side says it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// Node id.
    pub node_id: String,
    /// Its name for itself.
    pub hostname: String,
}

/// What a side shows of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// P-256, uncompressed.
    pub public_key: Vec<u8>,
    /// 32 random bytes.
    pub nonce: Vec<u8>,
    /// SPAKE2's message.
    pub pake: Vec<u8>,
}

/// What a side keeps of its keys; good for one agreement.
pub struct Half {
    ecdh: EphemeralPrivateKey,
    spake: Spake2<Ed25519Group>,
}

/// Everything that both sides have seen before they agree.
pub struct Transcript<'a> {
    /// By which version.
    pub version: u32,
    /// Who calls.
    pub calling: &'a Introduction,
    /// To what it committed itself.
    pub commitment: &'a [u8],
    /// The name of the try.
    pub session_id: &'a str,
    /// Who waits.
    pub waiting: &'a Introduction,
    /// What the waiting side showed.
    pub waiting_part: &'a Part,
    /// What the calling side showed then.
    pub calling_part: &'a Part,
}

impl Transcript<'_> {
    /// The hash that the keys are salted with.
    pub fn hash(&self) -> [u8; SIZE] {
        let (waiting, calling) = (self.waiting_part, self.calling_part);
        hash_of(&[
            b"transcript",
            &self.version.to_be_bytes(),
            self.calling.node_id.as_bytes(),
            self.calling.hostname.as_bytes(),
            self.commitment,
            self.session_id.as_bytes(),
            self.waiting.node_id.as_bytes(),
            self.waiting.hostname.as_bytes(),
            &waiting.public_key,
            &waiting.nonce,
            &waiting.pake,
            &calling.public_key,
            &calling.nonce,
            &calling.pake,
        ])
    }
}

/// A fresh code: six digits, each as likely as any other.
pub fn invite_code() -> Result<Secret> {
    loop {
        let number = u32::from_be_bytes(random()?);
        // What is left over at the end would make small codes likelier.
        if number < u32::MAX - u32::MAX % CODES {
            return Ok(Secret::new(format!("{:06}", number % CODES)));
        }
    }
}

/// Random bytes.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| no_randomness())?;
    Ok(bytes)
}

fn no_randomness() -> Error {
    Error::internal("no randomness", "the system's generator failed")
}

/// What the calling side sends ahead of its part: the part is fixed by it, and hidden.
pub fn commitment(part: &Part, who: &Introduction) -> [u8; SIZE] {
    hash_of(&[b"commitment", &part.public_key, &part.nonce, &part.pake, who.node_id.as_bytes(), who.hostname.as_bytes()])
}

/// SHA-256 of the label and these fields, each with its length before it.
fn hash_of(fields: &[&[u8]]) -> [u8; SIZE] {
    let mut context = Context::new(&SHA256);
    for field in std::iter::once(&LABEL.as_bytes()).chain(fields) {
        context.update(&(field.len() as u64).to_be_bytes());
        context.update(field);
    }
    let mut bytes = [0; SIZE];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

fn invalid(what: &str) -> Error {
    Error::new(Code::PairInvalid, what)
}

impl Half {
    /// Begins: what a side keeps, and what it shows.
    pub fn new(side: Side, code: &Secret) -> Result<(Self, Part)> {
        let ecdh = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new()).map_err(|_| no_randomness())?;
        let public_key = ecdh.compute_public_key().map_err(|_| no_randomness())?.as_ref().to_vec();
        let [a, b] = [Side::Waiting, Side::Calling].map(|side| Identity::new(format!("{LABEL} {}", side.letter()).as_bytes()));
        let password = Password::new(code.expose());
        let (spake, pake) = match side {
            Side::Waiting => Spake2::start_a(&password, &a, &b),
            Side::Calling => Spake2::start_b(&password, &a, &b),
        };
        Ok((Self { ecdh, spake }, Part { public_key, nonce: random::<SIZE>()?.to_vec(), pake }))
    }

    /// Both exchanges come to their end and are mixed. That the other side knows the code is not proved yet.
    ///
    /// # Errors
    /// `PAIR_INVALID` for what is no point, or no nonce.
    pub fn agree(self, theirs: &Part, transcript: &Transcript<'_>) -> Result<Keys> {
        if theirs.nonce.len() != SIZE {
            return Err(invalid("the nonce has the wrong length"));
        }
        let mut secret = self.spake.finish(&theirs.pake).map_err(|_| invalid("the message of the key exchange is invalid"))?;
        let point = UnparsedPublicKey::new(&ECDH_P256, &theirs.public_key);
        agree_ephemeral(self.ecdh, &point, |shared| secret.extend_from_slice(shared)).map_err(|_| invalid("the public key is invalid"))?;
        let keys = Keys::derive(&Salt::new(HKDF_SHA256, &transcript.hash()).extract(&secret));
        forget(&mut secret);
        keys
    }
}

/// Overwrites a secret that is not needed any more.
fn forget(bytes: &mut [u8]) {
    bytes.fill(0);
    std::hint::black_box(bytes);
}

/// A derived key; overwritten when dropped.
struct Key([u8; SIZE]);

impl Drop for Key {
    fn drop(&mut self) {
        forget(&mut self.0);
    }
}

/// The keys of one side: for what it proves and seals.
struct OfSide {
    confirm: Key,
    seal: Key,
}

/// What two sides that used the same code have in common, and nobody else.
pub struct Keys {
    waiting: OfSide,
    calling: OfSide,
    digits: String,
    pair: Secret,
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn expand<const N: usize>(prk: &Prk, what: &str) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    let filled = prk.expand(&[LABEL.as_bytes(), b" ", what.as_bytes()], Length(N)).and_then(|okm| okm.fill(&mut bytes));
    filled.map_err(|_| Error::internal("a key could not be derived", what))?;
    Ok(bytes)
}

impl Keys {
    fn derive(prk: &Prk) -> Result<Self> {
        let of_side = |side: Side| {
            let key = |what: &str| expand(prk, &format!("{what} {}", side.letter())).map(Key);
            Ok(OfSide { confirm: key("confirm")?, seal: key("seal")? })
        };
        let number = u64::from_be_bytes(expand(prk, "digits")?) % u64::from(CODES);
        let pair = Key(expand(prk, "pair key")?);
        Ok(Self {
            waiting: of_side(Side::Waiting)?,
            calling: of_side(Side::Calling)?,
            digits: format!("{number:06}"),
            pair: Secret::new(hash::hex(&pair.0)),
        })
    }

    /// The six digits that both users compare.
    pub fn digits(&self) -> &str {
        &self.digits
    }
    /// The key with which the two machines will call each other.
    pub fn pair_key(&self) -> Secret {
        self.pair.clone()
    }

    fn of(&self, side: Side) -> &OfSide {
        match side {
            Side::Waiting => &self.waiting,
            Side::Calling => &self.calling,
        }
    }

    fn mac_key(&self, side: Side) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.of(side).confirm.0)
    }

    /// A side's word on something, such as `confirm` or `cancel`: only who has the keys can say it.
    pub fn mac(&self, side: Side, word: &str) -> Vec<u8> {
        hmac::sign(&self.mac_key(side), word.as_bytes()).as_ref().to_vec()
    }
    /// Whether this is that side's word; takes the same time whatever is wrong.
    pub fn is_mac(&self, side: Side, word: &str, mac: &[u8]) -> bool {
        hmac::verify(&self.mac_key(side), word.as_bytes(), mac).is_ok()
    }

    fn sealing(&self, side: Side) -> Result<LessSafeKey> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &self.of(side).seal.0);
        key.map(LessSafeKey::new).map_err(|_| Error::internal("a box can't be sealed", "the key has the wrong length"))
    }

    /// Seals what a side tells the other. The nonce goes before the text.
    pub fn seal(&self, side: Side, session_id: &str, text: &[u8]) -> Result<Vec<u8>> {
        let nonce = random::<NONCE_LEN>()?;
        let mut sealed = text.to_vec();
        let aad = Aad::from(bound_to(side, session_id));
        let tag = self.sealing(side)?.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed);
        let tag = tag.map_err(|_| Error::internal("a box can't be sealed", "it is too large"))?;
        Ok([&nonce, &sealed[..], tag.as_ref()].concat())
    }

    /// Opens what a side sealed.
    ///
    /// # Errors
    /// `PAIR_INVALID` for a box that this side did not seal in this session.
    pub fn open(&self, side: Side, session_id: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let not_ours = || invalid("the sealed box does not open");
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or_else(not_ours)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| not_ours())?;
        let mut text = rest.to_vec();
        let opened = self.sealing(side)?.open_in_place(nonce, Aad::from(bound_to(side, session_id)), &mut text);
        opened.map(|text| text.to_vec()).map_err(|_| not_ours())
    }
}

fn bound_to(side: Side, session_id: &str) -> [u8; SIZE] {
    hash_of(&[b"box", session_id.as_bytes(), side.letter().as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str) -> Introduction {
        Introduction { node_id: format!("id-{name}"), hostname: name.into() }
    }
    /// Both ends of an exchange whose sides typed these codes.
    fn exchange(codes: [&str; 2]) -> [Keys; 2] {
        let [(a, a_part), (b, b_part)] =
            [(Side::Waiting, codes[0]), (Side::Calling, codes[1])].map(|(side, code)| Half::new(side, &Secret::new(code)).unwrap());
        let (kai, leo) = (who("kai"), who("leo"));
        let commitment = commitment(&b_part, &leo);
        let transcript = Transcript {
            version: 2,
            calling: &leo,
            commitment: &commitment,
            session_id: "s",
            waiting: &kai,
            waiting_part: &a_part,
            calling_part: &b_part,
        };
        [a.agree(&b_part, &transcript).unwrap(), b.agree(&a_part, &transcript).unwrap()]
    }

    #[test]
    fn the_same_code_makes_the_same_keys_and_another_code_others() {
        let [a, b] = exchange(["492817", "492817"]);
        assert_eq!((a.digits(), a.pair_key().expose()), (b.digits(), b.pair_key().expose()));
        assert_eq!((a.digits().len(), a.pair_key().expose().len()), (6, 64));
        assert!(a.is_mac(Side::Calling, "confirm", &b.mac(Side::Calling, "confirm")));
        for (side, word) in [(Side::Waiting, "confirm"), (Side::Calling, "cancel")] {
            assert!(!a.is_mac(side, word, &b.mac(Side::Calling, "confirm")));
        }
        let [a, c] = exchange(["492817", "492818"]);
        assert_ne!(a.pair_key().expose(), c.pair_key().expose());
        assert!(!a.is_mac(Side::Calling, "confirm", &c.mac(Side::Calling, "confirm")));
    }

    #[test]
    fn a_box_opens_for_its_reader_its_session_and_its_direction_only() {
        let [a, b] = exchange(["000000", "000000"]);
        let sealed = b.seal(Side::Calling, "s", b"text").unwrap();
        assert_eq!(a.open(Side::Calling, "s", &sealed).unwrap(), b"text");
        assert_ne!(sealed, b.seal(Side::Calling, "s", b"text").unwrap());
        assert!(a.open(Side::Waiting, "s", &sealed).is_err() && a.open(Side::Calling, "t", &sealed).is_err());
        for length in 0..sealed.len() {
            assert!(a.open(Side::Calling, "s", &sealed[..length]).is_err());
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(a.open(Side::Calling, "s", &changed).unwrap_err().code, Code::PairInvalid);
        }
    }

    #[test]
    fn what_is_no_point_is_refused() {
        let (code, kai, leo) = (Secret::new("492817"), who("kai"), who("leo"));
        let good = Half::new(Side::Calling, &code).unwrap().1;
        let off_the_curve = [&[4][..], &[7; 64]].concat();
        for bad in [vec![], vec![0; 65], vec![4; 1], [&[4][..], &[0; 64]].concat(), off_the_curve, vec![2; 33], vec![4; 66], vec![4; 5000]]
        {
            assert!(agree(&code, &kai, &leo, Part { public_key: bad, ..good.clone() }).is_err());
        }
        let a_sides = Half::new(Side::Waiting, &code).unwrap().1.pake;
        for bad in [vec![], vec![0x42], vec![0x42; 32], vec![0x42; 34], vec![0; 33], a_sides, [&[0x42, 2][..], &[0; 31]].concat()] {
            assert!(agree(&code, &kai, &leo, Part { pake: bad, ..good.clone() }).is_err());
        }
        for bad in [vec![], vec![0; 31], vec![0; 33]] {
            assert!(agree(&code, &kai, &leo, Part { nonce: bad, ..good.clone() }).is_err());
        }
    }
    fn agree(code: &Secret, kai: &Introduction, leo: &Introduction, theirs: Part) -> Result<Keys> {
        let (half, ours) = Half::new(Side::Waiting, code).unwrap();
        let transcript = Transcript {
            version: 2,
            calling: leo,
            commitment: &commitment(&theirs, leo),
            session_id: "s",
            waiting: kai,
            waiting_part: &ours,
            calling_part: &theirs,
        };
        half.agree(&theirs, &transcript)
    }

    /// known fault 29: the code comes from the system's generator, and every one of the million is as likely.
    #[test]
    fn codes_are_six_digits_spread_evenly() {
        let mut first = [0u32; 10];
        for _ in 0..10_000 {
            let code = invite_code().unwrap();
            assert!(code.expose().len() == 6 && code.expose().bytes().all(|byte| byte.is_ascii_digit()));
            first[usize::from(code.expose().as_bytes()[0] - b'0')] += 1;
        }
        assert!(first.iter().all(|count| (800..1200).contains(count)), "{first:?}");
    }

    #[test]
    fn every_field_of_the_transcript_counts_and_none_runs_into_the_next() {
        let (kai, leo) = (who("kai"), who("leo"));
        let part = |byte: u8| Part { public_key: vec![byte; 65], nonce: vec![byte; 32], pake: vec![byte; 33] };
        let (a, b) = (part(1), part(2));
        let hash = |calling: &Introduction, commitment: &[u8], session_id: &str, waiting: &Introduction, a: &Part, b: &Part| {
            Transcript { version: 2, calling, commitment, session_id, waiting, waiting_part: a, calling_part: b }.hash()
        };
        let moved = Introduction { node_id: "id-leol".into(), hostname: "eo".into() };
        let hashes = std::collections::HashSet::from([
            hash(&leo, b"c", "s", &kai, &a, &b),
            hash(&moved, b"c", "s", &kai, &a, &b),
            hash(&leo, b"d", "s", &kai, &a, &b),
            hash(&leo, b"c", "t", &kai, &a, &b),
            hash(&leo, b"c", "s", &leo, &a, &b),
            hash(&leo, b"c", "s", &kai, &b, &b),
            hash(&leo, b"c", "s", &kai, &a, &a),
            hash(&leo, b"cs", "", &kai, &a, &b),
            Transcript { version: 3, calling: &leo, commitment: b"c", session_id: "s", waiting: &kai, waiting_part: &a, calling_part: &b }
                .hash(),
        ]);
        assert_eq!(hashes.len(), 9);
    }
}
